#!/usr/bin/env bash
# Makes this machine able to build okta-relay, and with --tests able to test it.
#
# Looks first and installs only what is missing, so that a second run needs neither a network nor root.
# Packages are installed with apt-get, through sudo where the user is not root.
set -euo pipefail

swift_needed=6.2

main() {
    require_swift
    # The libraries that Package.swift links, and the tool that finds them.
    local wanted=(pkg-config libsqlite3-dev libpq-dev libcurl4-openssl-dev curl ca-certificates)
    case "${1:-}" in
        "") ;;
        --tests) wanted+=(postgresql openssl) ;;
        *) fail "usage: scripts/setup.sh [--tests]" ;;
    esac

    local missing=() package
    for package in "${wanted[@]}"; do
        is_there "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] || install "${missing[@]}"
}

require_swift() {
    command -v swift >/dev/null 2>&1 || fail "there is no 'swift' in PATH." \
        "Install Swift $swift_needed or newer from https://www.swift.org/install/linux/ and start again."
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
    [ -n "$version" ] || fail "'swift --version' does not tell a version; is the toolchain complete?"
    [ "$(printf '%s\n' "$swift_needed" "$version" | sort -V | head -n 1)" = "$swift_needed" ] ||
        fail "Swift $version is too old: okta-relay needs $swift_needed or newer." \
            "Newer toolchains are at https://www.swift.org/install/linux/."
}

# A program counts wherever it came from, a library where dpkg or pkg-config knows it.
is_there() {
    case "$1" in
        curl | openssl | pkg-config) command -v "$1" >/dev/null && return ;;
        postgresql) has_postgresql && return ;;
        libsqlite3-dev) knows_library sqlite3 && return ;;
        libpq-dev) knows_library libpq && return ;;
        libcurl4-openssl-dev) knows_library libcurl && return ;;
    esac
    # dpkg -s also succeeds for a package that was removed and left its settings behind.
    command -v dpkg >/dev/null && dpkg -s "$1" 2>/dev/null | grep -q '^Status: .* installed$'
}

knows_library() { command -v pkg-config >/dev/null && pkg-config --exists "$1"; }

has_postgresql() {
    command -v initdb >/dev/null && return
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

install() {
    command -v apt-get >/dev/null || fail "these are missing: $*" \
        "There is no apt-get here; install what your system calls them, and start again."
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "these packages are missing: $*" \
            "As root, run: apt-get update && apt-get install -y --no-install-recommends $*"
        as_root=(sudo)
    fi
    echo "installing: $*"
    "${as_root[@]}" apt-get update -q
    case " $* " in *" postgresql "*) keep_postgresql_quiet "${as_root[@]}" ;; esac
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
    if [ -n "${quiet_file:-}" ]; then "${as_root[@]}" rm -f "$quiet_file"; fi
}

# Debian's package makes a cluster and starts it. The tests start one of their own, on a socket in a temporary
# folder, so a server nobody asked for would only take port 5432: tell the package not to, for this one time.
keep_postgresql_quiet() {
    local folder=/etc/postgresql-common/createcluster.d
    [ ! -e "$folder/okta-relay.conf" ] || return 0
    quiet_file="$folder/okta-relay.conf"
    "$@" mkdir -p "$folder"
    echo "create_main_cluster = false" | "$@" tee "$quiet_file" >/dev/null
}

fail() {
    printf 'okta-relay: %s\n' "$@" >&2
    exit 1
}

main "$@"
