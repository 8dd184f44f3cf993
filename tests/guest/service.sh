# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# tests/guest/service.sh — inside the guest, where systemd is: the package installed as docs/operating.md
# has it, the units on a device that comes late, killed, on a device that vanishes, stopped, purged.
set -u
export DOLMEN_URL=http://127.0.0.1:7480 HOME=/run
initiator=iqn.2026-11.internal.dolmen:service
device=/dev/disk/by-id/virtio-disk0
failed=0

check() { # NAME COMMAND…
  if "${@:2}" >/run/said 2>&1; then
    echo "ok: $1"
  else
    echo "FAILED: $1: $(tail -n 3 /run/said | tr '\n' ' ')"
    failed=1
    return 1
  fi
}
need() { # the same; without it nothing goes on
  check "$@" && return
  journalctl -b --no-pager -o cat -u metad -u storaged | tail -n 20
  exit 1
}
until_true() { # SECONDS COMMAND…
  local end=$((SECONDS + $1))
  until "${@:2}" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    read -r -t 0.3 <> <(:) || true
  done
}
of() { systemctl show -p "$2" --value "$1"; } # a unit's property
is() { [ "$(of "$1" "$2" | tee /run/said)" = "$3" ]; }
status() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
field() { tr -d ' \n' <"$1" | sed "s/.*\"$2\":\[*\"*\([^],\"}]*\).*/\1/"; } # the first one of its name

# ---- nothing starts before there is a configuration ----

need "the package is installed" dpkg -i dolmen.deb
check "nothing is started without a configuration" systemctl start metad storaged
for daemon in metad storaged; do
  check "$daemon is not" is $daemon ConditionResult no
done

# ---- a disk that comes late ----

cd /etc/dolmen || exit
cp metad.conf.example metad.conf
sed -e "s|^disks = .*|disks = ({ path = \"$device\"; });|" -e 's|^#profile = .*|profile = "small";|' \
  -e 's|^#lock_memory = .*|lock_memory = true;|' storaged.conf.example >storaged.conf
cd /run || exit
mkdir -p systemd/system/storaged.service.d
# As it is: 30.
printf '[Service]\nWatchdogSec=8\n' >/run/systemd/system/storaged.service.d/soon.conf
node=$(readlink -f $device)
virtio=$(basename "$(readlink -f "/sys/class/block/${node##*/}/device")")
driver=/sys/bus/virtio/drivers/virtio_blk
echo "$virtio" >$driver/unbind
need "a disk is gone" until_true 10 [ ! -e $device ]
check "they are enabled" systemctl enable metad storaged
check "metad is ready" timeout 60 systemctl start metad
systemctl start --no-block storaged
check "storaged is started again while its disk is not there" until_true 60 eval '[ "$(of storaged NRestarts)" -ge 1 ]'
echo "$virtio" >$driver/bind
need "it is ready when it is there" until_true 60 is storaged ActiveState active

# ---- what they are ----

oom=-900
for daemon in metad storaged; do
  pid=$(of $daemon MainPID)
  check "$daemon is not root" [ "$(status "$pid" Uid | cut -f1)" = "$(id -u dolmen)" ]
  check "it has its filter" [ "$(status "$pid" Seccomp)" = 2 ]
  check "it gains no privileges" [ "$(status "$pid" NoNewPrivs)" = 1 ]
  check "it has no capabilities" [ "$(status "$pid" CapBnd)$(status "$pid" CapEff)" = 00000000000000000000000000000000 ]
  check "it may write no system" grep -q ' / / ro' "/proc/$pid/mountinfo"
  check "the kernel spares it" grep -qxe "$oom" "/proc/$pid/oom_score_adj"
  oom=-1000
done
check "its memory is locked" [ "$(status "$pid" VmLck | tr -cd 0-9)" -gt 65536 ]
opened() { find "/proc/$pid/fd" -lname "$(readlink -f $device)" | grep .; }
check "it has the block device" opened
check "and says what it has" until_true 10 eval 'of storaged StatusText | grep "disks 1 of 1 open"'

# ---- a volume, written while storaged is killed ----

volume() { dolmen volume create first 64MiB || dolmen volume show first; }
need "a volume" until_true 20 volume
need "an attachment" eval "dolmen --json attachment create first --initiator $initiator >attachment"
mkfifo enough
./verify_client "iscsi://$(field attachment portals)/$(field attachment target)/0" $initiator <enough >written 2>&1 &
client=$!
exec 8>enough
acknowledged() { sed -n 's/^acknowledged //p' written | tail -n 1 | grep . || echo 0; }
goes_on() {
  local before
  before=$(acknowledged)
  until_true 60 eval "[ \$(acknowledged) -gt $before ]"
}
again() { [ "$(of storaged NRestarts)" -gt "$restarts" ] && is storaged ActiveState active; }
check "it is written" goes_on
for signal in KILL STOP; do
  restarts=$(of storaged NRestarts)
  kill -s $signal "$(of storaged MainPID)"
  check "after SIG$signal it is started again" until_true 60 again
  check "and the volume is written on" goes_on
done

# ---- its disk vanishes under it, and comes back: docs/operating.md, a disk died ----

said() { journalctl -b --no-pager -o cat -u storaged | grep -c " store $1 "; } # how often
pid=$(of storaged MainPID)
echo "$virtio" >$driver/unbind
check "a disk that vanishes is said" until_true 60 eval '[ "$(said disk_failed)" -ge 1 ]'
waits() { dolmen volume show first | grep 'takes no writes'; }
check "the volume says why it waits" until_true 20 waits
answers() { dolmen top --interval 0.1 >page 2>&1 && grep '^first ' page && ! grep 'asked' page; }
check "storaged answers" answers
no_error() { ! grep -vE '^(acknowledged|told BUSY)' written && kill -0 $client; }
check "no write was answered with an error" no_error
check "it is the same process" is storaged MainPID "$pid"
echo "$virtio" >$driver/bind
need "the disk is back" until_true 20 [ -e $device ]
check "storaged is started again" timeout 60 systemctl restart storaged
check "the volume is written on" goes_on
check "its vanishing was said once" [ "$(said disk_failed)" = 1 ]
exec 8>&-
check "every block that was acknowledged is there" wait $client

# ---- replaced, stopped, purged ----

pid=$(of storaged MainPID)
check "the package is installed again" dpkg -i dolmen.deb
check "which leaves storaged running" is storaged MainPID "$pid"
check "storaged is stopped" timeout 30 systemctl stop storaged
check "with success" is storaged Result success
check "by itself" is storaged ExecMainCode 1
check "the package is purged" dpkg --purge dolmen
for daemon in storaged metad; do
  check "$daemon has ended" eval "! pidof $daemon"
  check "and does not start at boot" [ ! -h /etc/systemd/system/multi-user.target.wants/$daemon.service ]
done
check "what metad knows is kept" [ -d /var/lib/dolmen/metad ]

# ---- what was said ----

journalctl -b --no-pager >all
for daemon in metad storaged; do
  check "the journal has $daemon's lines" grep -q " $daemon\[.* $daemon ready " all
done
refusals() { grep -E '(metad|storaged)\b' all | grep -iE 'denied|not permitted|read-only|failed (to set|at step)|type=1326|sigsys'; }
check "and no refusal" eval '! refusals'
exit $failed
