# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# tests/guest/walk.sh — inside the guest: a cluster, a volume, QEMU's own iSCSI driver, a kill; the
# same on a block device (GUEST_DISK).
set -e

image=/data/image
initiator=iqn.2026-11.internal.dolmen:guest
dolmen="dolmen --dir /data/cluster"

field() { tr -d ' \n' <"$1" | sed "s/.*\"$2\":\[*\"*\([^],\"}]*\).*/\1/"; } # the first one of its name

step() { echo "ok: $1"; }

new_volume() { # its name; how QEMU gets at it is in $volume
  $dolmen volume create "$1" 64MiB >/dev/null
  $dolmen --json attachment create "$1" --initiator $initiator >/tmp/attachment.json
  volume="driver=iscsi,transport=tcp,portal=$(field /tmp/attachment.json portals)"
  volume="$volume,target=$(field /tmp/attachment.json target),lun=0,initiator-name=$initiator"
}
kill_storaged() {
  pid=$(pidof storaged)
  kill -9 "$pid"
  while [ -d "/proc/$pid" ]; do sleep 0.1; done
}

$dolmen --json up --size 512MiB >/tmp/up.json
step "dolmen up"
new_volume guest
step "volume and attachment"

dd if=/dev/urandom of=$image bs=1M count=24 2>/dev/null
dd if=/dev/urandom of=$image bs=1M count=8 seek=56 2>/dev/null
qemu-img convert -n -f raw --target-image-opts $image "$volume"
step "qemu-img convert"
qemu-img compare --image-opts "driver=file,filename=$image" "$volume"
step "qemu-img compare"

kill_storaged
$dolmen --json up >/tmp/up.json
qemu-img compare --image-opts "driver=file,filename=$image" "$volume"
step "qemu-img compare after kill -9 of storaged"
$dolmen down >/dev/null
[ -z "$(pidof storaged metad)" ]
step "dolmen down"

# ---- a whole device, added as docs/operating.md has it ----

device=/dev/vdb
conf=/data/cluster/n1/storaged.conf
small=/data/small

expect() { # status, what is said, command…
  expected=$1 pattern=$2 status=0
  shift 2
  "$@" >/tmp/said 2>&1 || status=$?
  [ $status = "$expected" ] && grep -q "$pattern" /tmp/said && return
  cat /tmp/said
  echo "FAILED: $*: status $status for $expected, or it does not say: $pattern"
  exit 1
}

expect 0 " formatted disk=$device " storaged --format $device
expect 1 'holds a Dolmen store; .*--force' storaged --format $device
expect 0 " formatted disk=$device " storaged --format $device --force
step "storaged --format of a device: once, then by --force alone"

sed -i "s|^\(disks = .*\));|\1, { path = \"$device\"; });|" $conf
expect 0 . storaged --config $conf --check-config
$dolmen up >/dev/null
new_volume device # it goes where least is promised
expect 0 "^n1 *$device .* 1 *0 *open " $dolmen disk list
dd if=/dev/urandom of=$small bs=1M count=8 2>/dev/null
qemu-img convert -n -f raw --target-image-opts $small "$volume"
expect 2 'a running storaged' dolmen disk check $device
step "a volume on a device is written"

kill_storaged
expect 0 '^clean' dolmen disk check $device # with groups in its journal
$dolmen up >/dev/null
qemu-img compare --image-opts "driver=file,filename=$small" "$volume"
step "qemu-img compare after kill -9 of storaged with a device"
$dolmen down >/dev/null
expect 0 '^looked at 1 replicas, 128 of .* 8 MiB of data$' dolmen disk check --data $device
step "dolmen disk check --data of a device is clean"
