# The tools that the checks need: found, or installed where Debian's package manager can, or named and given up.

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 2; }
has() { command -v "$1" >/dev/null 2>&1; }

# apt_install REASON PACKAGE…
apt_install() {
    local reason=$1 as_root=()
    shift
    has apt-get || die "$reason is missing and there is no apt-get: install the like of: $*"
    if [ "$(id -u)" -ne 0 ]; then
        has sudo && sudo -n true 2>/dev/null ||
            die "$reason is missing; run as root: apt-get install $*"
        as_root=(sudo -n)
    fi
    say "$reason is missing: installing $* with apt-get"
    if [ -z "${apt_is_fresh:-}" ]; then
        "${as_root[@]}" apt-get update -qq || die "apt-get update failed"
        apt_is_fresh=1
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" || die "apt-get could not install $*"
}

# need_program NAME PACKAGE
need_program() {
    has "$1" || apt_install "$1" "$2"
    say "$("$1" --version | head -n 1)"
}

need_rust() {
    has cargo || die "cargo is missing: install Rust with rustup, then open a new shell"
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    found=$(rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ] ||
        die "Rust $wanted or newer is needed, this is $found: rustup update"
    cargo fmt --version >/dev/null 2>&1 || die "rustfmt is missing: rustup component add rustfmt"
    cargo clippy --version >/dev/null 2>&1 || die "clippy is missing: rustup component add clippy"
    has cc || apt_install "A C compiler" build-essential
    say "$(rustc --version), $(cargo --version)"
}

# The fuzzing engine is C++.
need_cpp() {
    has c++ || apt_install "A C++ compiler" build-essential
}

postgres_has() {
    has "$1" || compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

# The tests start a cluster of their own; only the programs are needed.
need_postgres() {
    postgres_has initdb && postgres_has postgres || apt_install "PostgreSQL" postgresql
    postgres_has initdb && postgres_has postgres || die "initdb or postgres is still missing"
    local initdb
    initdb=$(command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)
    say "$("$initdb" --version)"
}

# need_python NAME REQUIREMENTS: a virtual environment in the cache, made again when the requirements change. Its
# interpreter is left in `venv_python`.
need_python() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install "Python 3 with venv" python3 python3-venv
    local venv="$nimbus_cache/$1" wanted=$2
    venv_python="$venv/bin/python"
    if ! cmp -s "$wanted" "$venv/installed.txt" || ! "$venv_python" -c '' 2>/dev/null; then
        say "installing $wanted into $venv"
        python3 -m venv --clear "$venv" || die "python3 -m venv failed"
        "$venv_python" -m pip install --quiet --disable-pip-version-check -r "$wanted" ||
            die "pip could not install $wanted"
        cp "$wanted" "$venv/installed.txt"
    fi
    say "$("$venv_python" --version) in $venv"
}

# need_node FOLDER… : Node.js, and the packages that the lock files of these folders name.
need_node() {
    has node || apt_install "Node.js" nodejs npm
    has npm || apt_install "npm" npm
    local folder
    for folder in "$@"; do
        cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed.json" && continue
        say "installing the packages of $folder"
        (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error) || die "npm ci failed in $folder"
        cp "$folder/package-lock.json" "$folder/node_modules/.installed.json"
    done
    say "Node.js $(node --version), npm $(npm --version 2>/dev/null)"
}
