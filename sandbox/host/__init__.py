"""
A stand-in of the Azure Functions host for machines without Core Tools.

What it reproduces, point by point, is written in docs/local-host.md; `§n` in these modules is a
section of that page. Run `python -m sandbox.host --root DIR --port N`.
"""
