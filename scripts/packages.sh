# Sourced by the other scripts: installs a Debian package when what it brings is missing, and says why.

# need COMMAND PACKAGE REASON
need() {
    PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null 2>&1 || install_package "$2" "$3"
}

# need_package PACKAGE REASON, for what brings no command
need_package() {
    dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q "ok installed" || install_package "$1" "$2"
}

# install_package PACKAGE REASON
install_package() {
    echo "installing $1: $2" >&2
    as_root apt-get install -y --no-install-recommends "$1" >/dev/null && return 0
    as_root apt-get update >/dev/null
    as_root apt-get install -y --no-install-recommends "$1" >/dev/null
}

# need_postgresql REASON: Debian keeps its programs out of PATH, and makes an instance of the machine's unless told not to.
need_postgresql() {
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && return 0
    as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" | as_root tee /etc/postgresql-common/createcluster.d/no-main.conf >/dev/null
    install_package postgresql "$1"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

if ! command -v cargo >/dev/null 2>&1; then
    echo "cargo is missing: install a Rust toolchain (1.95 or newer), see https://rustup.rs" >&2
    exit 69
fi
need cc build-essential "the linker, and the C compiler that builds the embedded SQLite"
