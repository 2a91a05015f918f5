"""What a study varies, which measures it takes, which claims of the study it checks.

`execute` trains, `plan` and `outline` say what would be trained, `results` reads what was, `claims` judges it. Nothing
is imported here, so that a report reads results and claims without JAX.
"""
