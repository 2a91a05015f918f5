"""Plan, run, resume and restart what a config file asks for, and measure what was trained.

`plan` lists the runs and groups them into programs, `deduplicate` finds equal ones, `scale` makes small versions,
`estimate` says what they cost, `execute` trains them, `pictures` and `snapshots` compute what is shown of trained
networks, `export` writes one as ONNX or its weights as safetensors.
"""
