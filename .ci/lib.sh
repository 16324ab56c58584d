# Shared by the scripts in .ci, which source it: stages with their times and results, the Node binaries, the packed package.
# shellcheck shell=bash
set -euo pipefail
set -m # every stage is a process group of its own, so that what it started can be ended with it
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly NESTS=(11 12)
readonly NODES=(20.20.2 22.23.3 24.21.0 26.10.0)
readonly REPO=$PWD
WORK=$(mktemp -d)
readonly WORK

export CI=true NO_COLOR=1 JOBS=max TMPDIR=$WORK/tmp
export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false npm_config_loglevel=error
mkdir "$TMPDIR"

# --- stages ----------------------------------------------------------------------------------------------------------

PASSED=0 FAILED=0 SUMMARY=() STAGE='' STAGE_GROUP='' LIMIT_GROUP=''

clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# stage <title> <command...>: a failing command in it fails the stage, and the next stage runs.
stage() {
  local begin=$SECONDS code=0 passed=0 failed=0 verdict=ok
  STAGE=$1
  shift
  printf '\n==== %s  %s\n' "$(clock "$begin")" "$STAGE"
  rm -f "$WORK/counts"
  ("$@") &
  STAGE_GROUP=$!
  wait "$STAGE_GROUP" || code=$?
  end_group "$STAGE_GROUP"
  [ ! -e "$WORK/counts" ] || read -r passed failed <"$WORK/counts"
  if [ "$code" -ne 0 ]; then
    verdict=FAILED
    [ "$failed" -gt 0 ] || failed=1
    printf '%s: failed with exit code %d\n' "$STAGE" "$code"
  fi
  PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
  SUMMARY+=("$(printf '%-6s %5s  %s' "$verdict" "$(clock $((SECONDS - begin)))" "$STAGE")")
  STAGE='' STAGE_GROUP=''
  STAGE_CODE=$code
}

# The same for what later stages depend on: if it fails, the script ends.
required_stage() {
  stage "$@"
  [ "$STAGE_CODE" -eq 0 ] || exit 1
}

# count <passed> <failed>: what a stage adds to the totals. A stage that fails without counting adds one failure.
count() { echo "$1 $2" >"$WORK/counts"; }

# limit <seconds>: ends the script after that time.
limit() {
  (sleep "$1" && echo "time limit of $1 s reached" && kill -TERM $$) &
  LIMIT_GROUP=$!
}

# end_group <process group>, which may have ended. Bash would report that a job was killed: disown keeps it silent.
end_group() {
  [ -n "$1" ] || return 0
  disown "$1" 2>/dev/null || true
  kill -KILL -- "-$1" 2>/dev/null || true
}

finish() {
  local code=$?
  trap - EXIT
  end_group "$STAGE_GROUP"
  end_group "$LIMIT_GROUP"
  if [ -n "$STAGE" ]; then
    FAILED=$((FAILED + 1))
    SUMMARY+=("ended early in: $STAGE")
  fi
  printf '\n==== %s  summary\n' "$(clock $SECONDS)"
  [ ${#SUMMARY[@]} -eq 0 ] || printf '%s\n' "${SUMMARY[@]}"
  cd / && rm -rf "$WORK"
  printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
  [ "$code" -ne 0 ] || [ "$FAILED" -eq 0 ] || code=1
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- machine ---------------------------------------------------------------------------------------------------------

machine() {
  local missing=() sudo=() pair
  for pair in curl:curl go:golang-go nginx:nginx-light python3:python3 make:make g++:g++ chromium:chromium; do
    PATH=$PATH:/usr/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get update -q
    # RUNLEVEL=1: the package must not start nginx. Tests start their own.
    "${sudo[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
  fi
  echo "node $(node --version), npm $(npm --version), $(go version), $(PATH=$PATH:/usr/sbin nginx -v 2>&1), $(chromium --version)"
}

# Compiles pprof against the headers next to the running Node, if there are any: nodejs.org may be out of reach.
use_headers_of_node() {
  local prefix
  prefix=$(node -p 'require("path").resolve(process.execPath, "../..")')
  [ ! -e "$prefix/include/node/node.h" ] || export npm_config_nodedir=$prefix
}
use_headers_of_node

install() {
  npm ci
  loads_pprof
}

# npm only warns if an optional dependency cannot be built, and the tests would then use the other sampler.
loads_pprof() { node -e 'require("pprof")'; }

# All Node versions with their headers, as $WORK/node-<version>, from the npm registry.
node_binaries() {
  local version to
  for version in "${NODES[@]}"; do
    to=$WORK/node-$version
    mkdir "$to"
    (cd "$to" && npm pack --silent "node-linux-$(node -p process.arch)@$version" && tar xzf ./*.tgz --strip-components=1 && rm ./*.tgz)
    [ "$("$to/bin/node" --version)" = "v$version" ]
  done
}

# use_node <version>: for the rest of the stage.
use_node() {
  export PATH=$WORK/node-$1/bin:$PATH
  use_headers_of_node
}

# --- tests -----------------------------------------------------------------------------------------------------------

# `npm test` in the current directory, with its totals.
npm_test() {
  local code=0
  npm test -- --json --outputFile="$TMPDIR/jest.json" || code=$?
  # A test file that could not be loaded, or that left something behind, counts as a failure of its own.
  # shellcheck disable=SC2046
  count $(node -p "const r = require('$TMPDIR/jest.json'); [r.numPassedTests, r.numFailedTests + r.numRuntimeErrorTestSuites].join(' ')")
  return "$code"
}

# --- the packed package ----------------------------------------------------------------------------------------------

pack() {
  npm pack --ignore-scripts --silent --pack-destination "$WORK"
  mv "$WORK"/nestjs-pprof-*.tgz "$WORK/package.tgz"
}

# install_package <directory> <major version of Nest> [<options of npm>]: what an application installs.
install_package() {
  local directory=$1 nest=$2
  shift 2
  mkdir "$directory"
  echo '{ "name": "app", "private": true }' >"$directory/package.json"
  (cd "$directory" && npm install --prefer-offline "$@" "$WORK/package.tgz" \
    @nestjs/{common,core,platform-express,platform-fastify}@"$nest" reflect-metadata rxjs @types/node@20)
  echo "$(basename "$directory"): Nest $(node -p "require('$directory/node_modules/@nestjs/core/package.json').version")"
}
