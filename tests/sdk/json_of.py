#!/usr/bin/env python3
"""Print a YAML document, which is named on the command line, as JSON.

Dates stay the strings that they are, as descriptions of APIs mean them.
"""

import json
import sys

import yaml


class Loader(yaml.CSafeLoader):
    """Takes no date for anything but a string."""


TIMESTAMP = "tag:yaml.org,2002:timestamp"
Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != TIMESTAMP]
    for first, pairs in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}

with open(sys.argv[1], encoding="utf-8") as document:
    json.dump(yaml.load(document, Loader), sys.stdout)
