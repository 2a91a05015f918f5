"""The packages of the wheel: the package itself, and the top-level folder of studies as `jaxcifar.configs`."""

from setuptools import find_namespace_packages, setup

setup(
    packages=[*find_namespace_packages(include=["jaxcifar", "jaxcifar.*"]), "jaxcifar.configs"],
    package_dir={"jaxcifar.configs": "configs"},
)
