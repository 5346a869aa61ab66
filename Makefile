SHELL := /bin/bash
.DEFAULT_GOAL := help
export PODNET_CACHE ?= /var/cache/podnet
HASH := $(shell { python3 --version; command -v python3; cat requirements.txt; } | sha256sum | cut -c1-12)
VENV := $(PODNET_CACHE)/venv-$(HASH)
COLLECTION := build/collections/ansible_collections/podnet/cluster

.PHONY: help venv
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/ready ## the Python environment (.venv) and the collection's link
	@ln -sfn $(VENV) .venv
	@mkdir -p $(dir $(COLLECTION)) && ln -sfn ../../../.. $(COLLECTION)

$(VENV)/ready: requirements.txt
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/pip install -qq --no-deps -r requirements.txt
	touch $@
