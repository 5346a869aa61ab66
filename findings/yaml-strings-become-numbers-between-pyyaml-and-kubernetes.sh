#!/usr/bin/env bash
# PyYAML writes strings like 123e456 or 0o17 without quotes, which Kubernetes' YAML library reads as numbers.
#
# Seen with: PyYAML 6.0.3 from PyPI, sigs.k8s.io/yaml v1.6.0, Go 1.26.
# Behaviour: whoever writes a manifest with PyYAML (Ansible's to_yaml and to_nice_yaml do), in which a string has digits
#   and one e, as a short commit ID may, gets a number out of it. kubectl makes JSON of it: a label 12e34 is a number
#   there, which no API server takes. Programs that unmarshal it into a Go struct get another string, 1.2e+35, and no error. What is too large
#   for a number stays a string, so other commit IDs work. "y" becomes true. The other way, from Kubernetes to PyYAML,
#   .5_ becomes a number, and the strings "=" and "<<" can't be read at all.
# Output: for some strings, how the one library writes them, and what the other reads; for some as labels in JSON, and
#   what a struct's field of type string gets.
# A good guess: that a library quotes whatever would not be a string, which both do, and that both mean the same. PyYAML
#   takes floats with a point only, no 0o, and no y (though YAML 1.1 says bool). Go's library reads all of these, and
#   underscores in more places.
# Cause: the resolver by which PyYAML decides what needs quotes (resolver.py) and that of Go's (resolve.go of
#   go.yaml.in/yaml/v2) have different patterns.
# Instead: write JSON, which is YAML for both (to_json), or have PyYAML quote all strings (default_style='"').
#
# Needs go and a module proxy, python3 with pip. As any user.
# Exits with 0 if it is still so, with 1 if it has changed, with 2 if it could not be tried.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export GOMODCACHE=$folder/mod GOCACHE=$folder/build GOFLAGS="-mod=mod -modcacherw" GOWORK=off

cd "$folder"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --no-compile \
    --target packages PyYAML==6.0.3 || exit 2
cat >go.mod <<'MOD'
module try

go 1.24

require sigs.k8s.io/yaml v1.6.0
MOD
cat >main.go <<'GO'
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

// main reads JSON strings, one a line: with "read" YAML documents whose values it prints as JSON, with "label"
// objects with a label, which it prints as JSON and the label as a struct has it, with "write" strings that it prints
// as YAML documents in a JSON string.
func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			panic(err)
		}
		var value any
		if os.Args[1] == "read" {
			if err := yaml.Unmarshal([]byte(text), &value); err != nil {
				value = "error"
			}
		} else if os.Args[1] == "label" {
			object := struct{ Labels map[string]string }{}
			if err := yaml.Unmarshal([]byte(text), &object); err != nil {
				panic(err)
			}
			converted, err := yaml.YAMLToJSON([]byte(text))
			if err != nil {
				panic(err)
			}
			value = []string{string(converted), object.Labels["commit"]}
		} else {
			document, err := yaml.Marshal(text)
			if err != nil {
				panic(err)
			}
			value = string(document)
		}
		answer, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(answer))
	}
}
GO
cat >try.py <<'PYTHON'
import json
import subprocess

import yaml


def go(mode, texts):
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    answer = subprocess.run(["./try", mode], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in answer.stdout.splitlines()]


def python(text):
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        return type(error)


strings = ["123e4", "12e3", "1e400", "5E-1", "0o17", "0x1F", "0b11", "017", "1_000", "-.5", "+_1", "1.5e3", "12:30", "y"]
strings += ["yes", "null", "~", "2026-11-30"]
written = [yaml.safe_dump(string).removesuffix("...\n") for string in strings]
for string, text, value in zip(strings, written, go("read", written)):
    print(f"{string}: PyYAML writes {text.strip()}, Kubernetes reads {json.dumps(value)}{'' if value == string else ' !'}")

objects = [yaml.safe_dump({"labels": {"commit": string}}) for string in ("12e34", "123e456")]
for converted, field in go("label", objects):
    print(f"label: in JSON {converted}, in a struct {field}")

strings = ["123e4", "0o17", ".5_", "=", "<<", "12:30", "y", "017"]
for string, text in zip(strings, go("write", strings)):
    value = python(text)
    shown = value.__name__ if isinstance(value, type) else repr(value)
    print(f"{string}: Kubernetes writes {text.strip()}, PyYAML reads {shown}{'' if value == string else ' !'}")
PYTHON
go build -o try . || exit 2

cat >expected <<'TEXT'
123e4: PyYAML writes 123e4, Kubernetes reads 1230000 !
12e3: PyYAML writes 12e3, Kubernetes reads 12000 !
1e400: PyYAML writes 1e400, Kubernetes reads "1e400"
5E-1: PyYAML writes 5E-1, Kubernetes reads 0.5 !
0o17: PyYAML writes 0o17, Kubernetes reads 15 !
0x1F: PyYAML writes '0x1F', Kubernetes reads "0x1F"
0b11: PyYAML writes '0b11', Kubernetes reads "0b11"
017: PyYAML writes '017', Kubernetes reads "017"
1_000: PyYAML writes '1_000', Kubernetes reads "1_000"
-.5: PyYAML writes -.5, Kubernetes reads -0.5 !
+_1: PyYAML writes +_1, Kubernetes reads 1 !
1.5e3: PyYAML writes 1.5e3, Kubernetes reads 1500 !
12:30: PyYAML writes '12:30', Kubernetes reads "12:30"
y: PyYAML writes y, Kubernetes reads true !
yes: PyYAML writes 'yes', Kubernetes reads "yes"
null: PyYAML writes 'null', Kubernetes reads "null"
~: PyYAML writes '~', Kubernetes reads "~"
2026-11-30: PyYAML writes '2026-11-30', Kubernetes reads "2026-11-30"
label: in JSON {"labels":{"commit":1.2e+35}}, in a struct 1.2e+35
label: in JSON {"labels":{"commit":"123e456"}}, in a struct 123e456
123e4: Kubernetes writes "123e4", PyYAML reads '123e4'
0o17: Kubernetes writes "0o17", PyYAML reads '0o17'
.5_: Kubernetes writes .5_, PyYAML reads 0.5 !
=: Kubernetes writes =, PyYAML reads ConstructorError !
<<: Kubernetes writes <<, PyYAML reads ConstructorError !
12:30: Kubernetes writes "12:30", PyYAML reads '12:30'
y: Kubernetes writes "y", PyYAML reads 'y'
017: Kubernetes writes "017", PyYAML reads '017'
TEXT
PYTHONPATH=$folder/packages PYTHONDONTWRITEBYTECODE=1 python3 try.py >seen || exit 2
cat seen
if diff expected seen; then
    echo "still so: strings with ! are something else for the other library"
else
    echo "changed: the lines above with < were expected, those with > were seen"
    exit 1
fi
