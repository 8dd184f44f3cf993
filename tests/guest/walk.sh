# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# tests/guest/walk.sh — inside the guest: a cluster, a volume, QEMU's own iSCSI driver, a kill.
set -e

image=/data/image
initiator=iqn.2026-11.internal.dolmen:guest
dolmen="dolmen --dir /data/cluster"

field() { tr -d ' \n' <"$1" | sed "s/.*\"$2\":\[*\"*\([^],\"}]*\).*/\1/"; } # the first one of its name

step() { echo "ok: $1"; }

$dolmen --json up --size 512MiB >/tmp/up.json
step "dolmen up"
$dolmen volume create guest 64MiB >/dev/null
$dolmen --json attachment create guest --initiator $initiator >/tmp/attachment.json
volume="driver=iscsi,transport=tcp,portal=$(field /tmp/attachment.json portals)"
volume="$volume,target=$(field /tmp/attachment.json target),lun=0,initiator-name=$initiator"
step "volume and attachment"

dd if=/dev/urandom of=$image bs=1M count=24 2>/dev/null
dd if=/dev/urandom of=$image bs=1M count=8 seek=56 2>/dev/null
qemu-img convert -n -f raw --target-image-opts $image "$volume"
step "qemu-img convert"
qemu-img compare --image-opts "driver=file,filename=$image" "$volume"
step "qemu-img compare"

pid=$(pidof storaged)
kill -9 "$pid"
while [ -d "/proc/$pid" ]; do sleep 0.1; done
$dolmen --json up >/tmp/up.json
qemu-img compare --image-opts "driver=file,filename=$image" "$volume"
step "qemu-img compare after kill -9 of storaged"
$dolmen down >/dev/null
[ -z "$(pidof storaged metad)" ]
step "dolmen down"
