"""Helm itself, as a library, and the schemas of Kubernetes, for the tests of deploy/; both are large and optional."""

from __future__ import annotations

from importlib.util import find_spec

MISSING = (
    ""
    if find_spec("helm_python") and find_spec("kubernetes_validate")
    else "helm-python-sdk and kubernetes-validate are not installed (pip install '.[charts]')"
)
