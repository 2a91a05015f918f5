"""Sphinx configuration: `sphinx-build -W -b html docs site`. The build needs no network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import jaxcifar

project = "jaxcifar"
author = "jaxcifar developers"
copyright = "jaxcifar developers, Apache-2.0"
version = release = jaxcifar.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "site_hooks"]
exclude_patterns = ["results/**/report/**", "**/.ipynb_checkpoints"]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}

html_theme = "sphinx_book_theme"
html_title = "jaxcifar"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_theme_options = {
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "use_download_button": False,
    "navbar_persistent": [],
}
html_show_sourcelink = False
html_copy_source = False
pygments_style = "a11y-high-contrast-light"

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

# A build executes the tutorial from top to bottom, unless .jupyter_cache next to the output folder holds the same text;
# delete that folder after a change of the package. An exception in the tutorial fails the build.
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 900
nb_merge_streams = True

autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Cost", "notes_style")]
