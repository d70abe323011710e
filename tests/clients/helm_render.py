"""What Helm's own engine makes of a chart: `helm_render.py CHART RELEASE NAMESPACE VALUES`, VALUES as JSON; prints the
templates' output, or why there is none, and what `helm lint` says, as JSON."""

import json
import sys

import helm_python as helm

path, release, namespace, values = sys.argv[1:]
values = json.loads(values)
told = {"lint": [message["error"] for message in helm.lint(path, values, strict=True)["messages"] if message["severity"] > 1]}
with helm.Chart.load(path) as chart:
    try:
        chart.validate_schema(values)
        told["templates"] = chart.render(values, name=release, namespace=namespace)
    except helm.HelmError as error:
        told["error"] = str(error)
print(json.dumps(told))
