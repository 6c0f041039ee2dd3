"""Manifests held to the schemas that Kubernetes and the Prometheus operator publish."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import kubernetes_validate

from .manifests import Manifest

OPERATOR = "monitoring.coreos.com/v1"


def mistakes(manifest: Manifest, version: str) -> str:
    """Return what is wrong with it in a Kubernetes of `version`, or nothing. Unknown fields are wrong."""
    try:
        if manifest["apiVersion"] == OPERATOR:
            schema = Path(__file__).parent / "operator_schemas" / f"{manifest['kind']}.json"
            jsonschema.validate(manifest, json.loads(schema.read_text()))
        else:
            kubernetes_validate.validate(manifest, version, strict=True)
    except jsonschema.ValidationError as error:
        return f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
    return ""
