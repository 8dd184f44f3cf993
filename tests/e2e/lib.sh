# SPDX-License-Identifier: Apache-2.0
# tests/e2e/lib.sh — what the scripts share: a throw-away cluster, counting, cleaning up.
#
# Sourced by scripts that run from the root of the tree.  Every script ends with `sum`, which prints
# "N passed, N failed, N skipped" as the last line.
# shellcheck shell=bash

# A network of its own where that is allowed: ports that are free again for a moment, because a
# process was killed, would else be taken by another script's cluster.
if [ "${DOLMEN_TEST_NETWORK-}" != own ] && unshare -n true 2>/dev/null; then
  cd "$OLDPWD" || exit # where $0 is found
  DOLMEN_TEST_NETWORK=own exec unshare -n bash -c 'busybox ip link set lo up && exec "$0" "$@"' "$0" "$@"
fi

build=${DOLMEN_BUILD:-build/release}
dolmen=$build/dolmen
work=$(mktemp -d "${TMPDIR:-/tmp}/dolmen-test.XXXXXX")
passed=0 failed=0 skipped=0

# ---- cleaning up: hooks run in reverse, whatever happens ----

hooks=()
on_exit() { hooks=("$*" "${hooks[@]}"); }
clean_up() {
  local hook
  for hook in "${hooks[@]}"; do eval "$hook" || true; done
  rm -rf --one-file-system "$work" # what is still mounted there is not ours to remove
}
trap clean_up EXIT

# ---- counting ----

ok() { passed=$((passed + 1)) && echo "ok: $1"; }
bad() {
  failed=$((failed + 1))
  echo "FAILED: $1: ${2-}"
}
skip() {
  skipped=$((skipped + 1))
  echo "skipped: $1: $2"
}
sum() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ]
}
# check NAME COMMAND…: one test
check() {
  local name=$1
  shift
  if "$@" >"$work/check.out" 2>&1; then ok "$name"; else bad "$name" "$(head -c 600 "$work/check.out" | tr '\n' ' ')"; fi
}
die() {
  bad "$@"
  sum
  exit 1
}

# ---- time: bounded waiting for something to become true, never for time to pass ----

# until_true SECONDS COMMAND…
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    read -r -t 0.1 <> <(:) || true
  done
}

alive() { kill -0 "$1" 2>/dev/null && [ "$(ps -o stat= -p "$1" | cut -c1)" != Z ]; }
dead() { ! alive "$1"; }

# ---- a cluster ----

# Of every new node, each with a disk of its own: E2E_REACTORS=2 tests/e2e/kill
reactors=${E2E_REACTORS:-1}

# cluster_up DIR [OPTIONS…]: starts it, or what has died of it; what it printed is in DIR.json
cluster_up() {
  local dir=$1
  shift
  "$dolmen" --dir "$dir" --json up --disks "$reactors" --reactors "$reactors" "$@" >"$dir.json" || return 1
}

cluster_down() {
  local pids
  pids=$(jq -r '.metad.pid, .nodes[].pid' "$1.json" 2>/dev/null) || true
  "$dolmen" --dir "$1" down >/dev/null 2>&1 || true
  for pid in $pids; do until_true 5 dead "$pid" || kill -9 "$pid" || true; done
}

metad_pid() { jq -r .metad.pid "$1.json"; }
node_pid() { jq -r ".nodes[${2-0}].pid" "$1.json"; }
node_portal() { jq -r ".nodes[${2-0}].portal" "$1.json"; }
node_status() { jq -r ".nodes[${2-0}].status" "$1.json"; }

node_log() { echo "$1/n$((${2-0} + 1)).log"; }

# ---- a daemon of a cluster as a child of the script, which so hears its exit code ----

children=()
on_exit '[ ${#children[@]} = 0 ] || kill -9 "${children[@]}" 2>/dev/null'

# daemon_log DIR metad|storaged: of the only node
daemon_log() { if [ "$2" = metad ]; then echo "$1/metad.log"; else node_log "$1"; fi; }
is_ready() { [ "$(grep -cE " (metad|storaged) ready " "$1")" -gt "$2" ]; }

# daemon_start DIR metad|storaged [OPTIONS…]: its number is in $child
daemon_start() {
  local dir=$1 daemon=$2 config
  shift 2
  config=$dir/metad.conf
  [ "$daemon" = metad ] || config=$dir/n1/storaged.conf
  "$build/$daemon" --config "$config" "$@" >>"$(daemon_log "$dir" "$daemon")" 2>&1 </dev/null 9>&- &
  child=$!
  children+=("$child")
}

# daemon_up DIR metad|storaged [OPTIONS…]: the same, and it serves
daemon_up() {
  local log before
  log=$(daemon_log "$1" "$2")
  before=$(grep -cE ' (metad|storaged) ready ' "$log" || true)
  daemon_start "$@"
  until_true 60 eval "is_ready '$log' $before || dead $child"
  alive "$child" || die "$2 starts" "$(tail -n 3 "$log")"
}

# faults DIR NODE MEMBERS: of its disks, from now on (storaged/faults.h); '' ends them.  For a cluster
# that runs with --allow-faults
faults() {
  local disk
  for ((disk = 0; disk < reactors; disk++)); do
    curl -fsS -X PUT "http://$(node_status "$1" "$2")/v1/faults" \
      -d "{\"disk\": \"$1/n$(($2 + 1))/disk$disk\"${3:+, $3}}" || return 1
  done
}

# ---- what a node's status port tells ----

# metric ADDRESS NAME: the sum over all reactors; nothing where there is none
metric() {
  curl -fsS -m 10 "http://$1/metrics" | awk -v name="$2" '
    { of = $1; sub(/\{.*/, "", of) } of == name { n += $2; told = 1 } END { if (told) print n }'
}

# sessions ADDRESS [INITIATOR]: a line of four words each.  An initiator that lost its session and
# logged in again by itself, unheard, is another line: it has another address
sessions() {
  curl -fsS -m 10 "http://$1/v1/sessions" | jq -r --arg of "${2-}" '.items[] |
    select($of == "" or .initiator == $of) |
    "\(.initiator) \(.volume_name) \(.address) \(.tsih)"' | sort
}

# ---- volumes ----

# volume_there DIR VOLUME: of 64 MiB.  To be tried again: a storaged is ready before metad has heard of
# its room, and an answer may come too late
volume_there() {
  timeout 10 "$dolmen" --dir "$1" volume create "$2" 64MiB || timeout 10 "$dolmen" --dir "$1" volume show "$2"
}

# attach DIR VOLUME INITIATOR [OPTIONS…]: prints the libiscsi URL
attach() {
  local dir=$1 volume=$2 initiator=$3
  shift 3
  "$dolmen" --dir "$dir" --json attachment create "$volume" --initiator "$initiator" "$@" |
    jq -r '"iscsi://\(.portals[0])/\(.target)/\(.lun)"'
}
