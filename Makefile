# `make help` lists everything. Needs root, git and a python3 >= 3.11; brings the rest itself.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Everything that is made once and used again lies here, keyed by what it was made from.
export PODNET_CACHE ?= /var/cache/podnet
export PODNET_LAB ?= lab
NODES ?= 3
CONTROL_PLANES ?= 1
FAMILY ?= ipv4
RUNTIMES ?= containerd
NODE ?= node1
DESTDIR ?= build/cni
CASES ?= 100000

comma := ,
HASH := $(shell { python3 -c 'import sys; print(sys.base_prefix, sys.version)'; cat requirements.txt; } | sha256sum | cut -c1-12)
VENV := $(PODNET_CACHE)/venv-$(HASH)
COLLECTION := build/collections/ansible_collections/podnet/cluster
BINDEP := bindep.txt
export PATH := $(VENV)/bin:$(PATH)
LAB := -e lab_name=$(PODNET_LAB)
# In this order each finds on the nodes what it builds on.
SCENARIOS := node containerd kubernetes control_plane worker overlay cni verify lab

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^## /{print "\n" substr($$0, 4)} /^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@echo; echo "Variables: NODES=$(NODES) CONTROL_PLANES=$(CONTROL_PLANES) FAMILY=$(FAMILY) (ipv4, dual, ipv6) RUNTIMES=$(RUNTIMES) (containerd,crio,docker) NODE=$(NODE) ARGS= DESTDIR=$(DESTDIR) PODNET_LAB=$(PODNET_LAB) PODNET_CACHE=$(PODNET_CACHE)"

## The lab: a cluster of nspawn machines on this host
.PHONY: lab lab-status lab-down lab-shell lab-exec kubectl verify reset
lab: venv ## Make NODES nodes (default 3; the first CONTROL_PLANES of them control planes), provision them, show the cluster
	ansible-playbook playbooks/lab/up.yml $(LAB) -e lab_nodes=$(NODES) -e '{"lab_control_planes": $(CONTROL_PLANES), "lab_runtimes": ["$(subst $(comma),"$(comma)",$(RUNTIMES))"]}' -e lab_family=$(FAMILY)
	ansible-playbook playbooks/site.yml
	ansible-playbook playbooks/verify.yml -e verify_keep=true

lab-status: venv ## Show the lab's nodes and which of them reach each other
	@ANSIBLE_DISPLAY_OK_HOSTS=false ansible-playbook playbooks/verify.yml -e verify_keep=true

lab-down: venv ## Remove the lab; the host is as it was
	ansible-playbook playbooks/lab/down.yml $(LAB)

lab-shell: venv ## Open a shell on NODE
	@inventories/lab/nodes.py --exec $(NODE)

lab-exec: venv ## Run the command ARGS="..." on NODE
	@inventories/lab/nodes.py --exec $(NODE) -- $(ARGS)

kubectl: venv ## Run kubectl with ARGS="get pods -A" on the control plane
	@inventories/lab/nodes.py --exec node1 -- kubectl $(ARGS)

verify: venv ## Check every pod, service and node path of the lab
	ansible-playbook playbooks/verify.yml

reset: venv ## Take the lab's nodes back to bare, and prove it
	ansible-playbook playbooks/reset.yml

## Tests and figures
.PHONY: test lint sanity unit integration guest molecule cluster families repository restore controlplanes hosts firewalls controllers ssh faults races peers cluster-policy e2e bench outage differential flanneld migration suites podman runtimes mixed fuzz conformance
test lint sanity unit integration guest molecule cluster families repository restore controlplanes hosts firewalls controllers ssh faults races peers cluster-policy e2e bench outage differential flanneld migration suites podman runtimes mixed fuzz conformance: BINDEP += tests/bindep.txt
test: ## Run lint, sanity, unit, integration, molecule and cluster, and report each one's time
	@python3 tests/run.py sanity+lint+unit integration cluster+molecule

lint: venv ## ruff, mypy, ansible-lint, changelog and documentation lint
	ruff check .
	mypy
	ansible-lint -q
	antsibull-changelog lint
	antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .

sanity: venv ## ansible-test sanity on a copy of the tree
	bash tests/sanity/run.sh $(ARGS)

unit: venv ## Tests that need nothing of the host
	pytest tests/unit $(ARGS)

integration: BINDEP += tests/integration/bindep.txt
integration: venv ## Tests in network namespaces (root), two files at a time
	pytest tests/integration --numprocesses 2 --dist loadfile $(ARGS)

guest: BINDEP += tests/guest/bindep.txt
guest: venv ## Tests of what this kernel lacks, in QEMU under Debian's kernel
	python3 tests/guest/run.py $(ARGS)

molecule: venv ## Scenarios of the roles, on lab nodes
	molecule destroy -s default # what an interrupted run may have left
	molecule test $(addprefix -s ,$(SCENARIOS))

cluster: venv ## The lab from nothing to nothing, and all that must be true of it
	pytest tests/lab tests/cluster $(ARGS)

firewalls: venv ## Nodes with firewalld and ufw, and a boot with swap that fstab does not know
	pytest -xv tests/firewalls $(ARGS)

controllers: venv ## Syntax, unit tests and sanity with ansible-core 2.20 and 2.21 (PYTHON=python3.13, PARTS="syntax unit sanity")
	bash tests/controllers.sh $(ARGS)

ssh: venv ## The playbooks over ssh and sudo, by an ordinary user with ansible-core 2.21, from the archive
	pytest -x tests/ssh $(ARGS)

families: venv ## A cluster of IPv6 alone, from nothing to nothing
	pytest -v tests/families $(ARGS)

repository: BINDEP += tests/repository/bindep.txt
repository: venv ## Kubernetes from a package repository and a registry of the site: dual-stack, nftables, upgrades
	pytest -v tests/repository $(ARGS)

restore: venv ## A cluster that is lost with all its machines comes back from its backup
	pytest -xv tests/restore $(ARGS)

controlplanes: venv ## Three control planes: each loses its power, or its disk; three become one, and one three
	pytest -xsv tests/control_planes $(ARGS)

hosts: BINDEP += tests/hosts/bindep.txt
hosts: venv ## The lab's own tests on Debian 12 and 13 as they are installed, in QEMU
	python3 tests/hosts/run.py $(ARGS)

faults: venv ## Twenty runs of verify without a false alarm; every IPv4 fault and those of a node, one by one
	pytest tests/cluster/every_fault.py tests/cluster/every_policy_fault.py tests/cluster/every_service_fault.py --durations=20 $(ARGS)

races: venv ## A thousand pods' first packets against their policies; podnetd killed, and away for ten minutes, under load
	pytest -v tests/integration/agent/policies/every_start.py $(ARGS)

peers: BINDEP += tests/kube_router/bindep.txt
peers: venv ## A policy's enforcement beside kube-router's, and ADD with policies beside ADD without
	pytest -sv tests/integration/agent/policies/every_peer.py $(ARGS)

cluster-policy: venv ## ClusterNetworkPolicy's own conformance tests, with podnetd in network namespaces
	pytest -sv tests/integration/agent/policies/every_conformance.py $(ARGS)

flanneld: venv ## flanneld's nodes become podnetd's one by one and go back, in network namespaces, with pings counted
	pytest -sv tests/integration/overlay/every_flanneld.py $(ARGS)

migration: venv ## A kubeadm cluster with flannel in the lab: left alone, taken over node by node, given back
	pytest -xsv tests/migration $(ARGS)

differential: venv ## The same configurations for our CNI plugins and the newest Go ones; writes docs/differential.md
	python3 tests/differential/run.py --write $(ARGS)

suites: venv ## The standard CNI plugins' own test suites, run on our executables
	python3 tests/standard_plugins/suites.py $(ARGS)

podman: venv ## Podman with our CNI plugins: networks, published ports, several networks, restart
	pytest -v tests/integration/cni/runtime/test_podman.py $(ARGS)

runtimes: venv ## What each container runtime does with CNI, by running it: ARGS="containerd docker crio"
	python3 tests/runtimes/run.py $(ARGS)

mixed: venv ## A cluster of containerd, CRI-O and Docker; nodes that change their runtime
	pytest -xv tests/runtimes $(ARGS)
	RUNTIMES=crio,docker molecule test -s container_runtime

fuzz: venv ## Fuzzed input for every CNI plugin: CASES=100000, two processes
	python3 tests/fuzz/run.py --cases $(CASES) --jobs 2 --progress $(ARGS)

conformance: BINDEP += tests/guest/bindep.txt
conformance: venv ## Every verb of every CNI plugin in every version; writes docs/conformance.md
	python3 tests/conformance/run.py --write

e2e: venv ## Kubernetes' own tests against the running lab: ARGS="--suite network" (or conformance, policy)
	python3 tests/e2e/run.py $(ARGS)

bench: venv ## Measure; prints a table and writes build/bench.json
	python3 bench/run.py

outage: venv ## Ten minutes without an API server: traffic, CPU, memory, descriptors, and the way back
	python3 bench/outage.py --minutes 10

## Building and the rest
.PHONY: venv test-tools packages cni build requirements clean
cni: ## Install the CNI executables and their library below DESTDIR
	python3 plugins/module_utils/install.py $(DESTDIR) $(ARGS)

build: venv ## Build the collection's archive into build/
	ansible-galaxy collection build --force --output-path build

test-tools: BINDEP += tests/bindep.txt
test-tools: venv ## As venv, and the Debian packages that tests need

venv: packages $(VENV)/ready ## Make the Python environment (.venv) and the collection's link
	@ln -sfn $(VENV) .venv
	@mkdir -p $(dir $(COLLECTION)) && ln -sfn ../../../.. $(COLLECTION)

requirements: ## Renew the pins in requirements.txt from requirements.in
	rm -rf build/pins && python3 -m venv build/pins
	build/pins/bin/pip install -q -r requirements.in
	{ head -1 requirements.txt; build/pins/bin/pip freeze; } > build/pins.txt && mv build/pins.txt requirements.txt

clean: ## Remove what was built here (the cache and a running lab stay)
	rm -rf build .venv .ansible .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Its name is a hash of its content, so that it is never renewed: others may be running from it.
$(VENV)/ready:
	@echo "Making the Python environment $(VENV) (about half a minute)"
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/pip install -qq --no-deps -r requirements.txt
	@touch $@

packages:
	@missing=$$(comm -13 <(dpkg-query -W -f '$${binary:Package}\n' | sed 's/:.*//' | sort) <(awk '/^[a-z]/ {print $$1}' $(BINDEP) | sort -u)); \
	if [ -n "$$missing" ]; then echo "Installing" $$missing; apt-get update -qq; \
	DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends $$missing >/dev/null; fi
