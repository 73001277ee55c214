#!/usr/bin/env bash
# Builds the image talaria-proxy:VERSION. Called by `make image`, with the project's environment in .venv.
# `deploy/image.sh wheels` only fills build/image/wheels.
#
#   BASE     the image to start from, with the Python that .venv has; best by digest. Default: python:3.N-slim.
#            BASE=debian: where no registry is at hand, a root of Debian's packages made by mmdebstrap (as root)
#   BUILDER  podman, buildah or docker; default: the first that is there
set -euo pipefail
cd "$(dirname "$0")/.."
python=$PWD/.venv/bin/python
context=$PWD/build/image
version=$("$python" -c 'from talaria import __version__; print(__version__)')
minor=$("$python" -c 'import sys; print("3.%d" % sys.version_info[1])')

fail() {
    echo "make image: $1" >&2
    exit 1
}

builder() {
    if [ -n "${BUILDER:-}" ]; then
        command -v "$BUILDER" || fail "$BUILDER is not on this machine"
        return
    fi
    command -v podman || command -v buildah || command -v docker || fail "neither podman, buildah nor docker is here"
}

# Downloaded once for each lock. pip itself comes with the hashes of requirements-dev.lock.
wheels() {
    local wanted
    wanted=$(cat requirements-otel.lock requirements-dev.lock | cksum)
    mkdir -p "$context/wheels"
    if [ "$(cat "$context/lock" 2>/dev/null)" != "$wanted" ]; then
        rm -f "$context"/wheels/*
        sed -n '/^pip==/,/^    # via/p' requirements-dev.lock >"$context/pip.lock"
        for lock in requirements-otel.lock "$context/pip.lock"; do
            "$python" -m pip download --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
                --no-deps --dest "$context/wheels" --requirement "$lock"
        done
        mv "$context"/wheels/pip-*.whl "$context/wheels/pip.whl"
        echo "$wanted" >"$context/lock"
    fi
    rm -f "$context"/wheels/talaria_proxy-*.whl
    "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
        --wheel-dir "$context/wheels" .
    cp requirements-otel.lock "$context/requirements.lock"
    cp deploy/Containerfile "$context/"
}

debian_root() {
    command -v mmdebstrap >/dev/null || fail "mmdebstrap is not on this machine: apt-get install mmdebstrap"
    if [ ! -f "$context/base/rootfs.tar" ]; then
        mkdir -p "$context/base"
        mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3 bookworm "$context/base/part.tar"
        mv "$context/base/part.tar" "$context/base/rootfs.tar"
    fi
    printf 'FROM scratch\nADD rootfs.tar /\n' >"$context/base/Containerfile"
    build talaria-base "$context/base"
}

build() {
    local tag=$1 folder=$2
    shift 2
    "$builder" build --tag "$tag" --file "$folder/Containerfile" "$@" "$folder"
}

if [ "${1:-}" = wheels ]; then
    wheels
    exit
fi
builder=$(builder)
# Where there are no user namespaces (a container, CI) buildah and podman still build in a chroot.
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
base=${BASE:-python:$minor-slim}
wheels
if [ "$base" = debian ]; then
    debian_root
    base=localhost/talaria-base
fi
build "talaria-proxy:$version" "$context" --build-arg "BASE=$base"
echo "built talaria-proxy:$version"
