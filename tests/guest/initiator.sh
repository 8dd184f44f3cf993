# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# tests/guest/initiator.sh — inside the guest: Linux's own initiator (open-iscsi) logs in, discards,
# makes a file system on the volume, fills it, and finds everything when it mounts it again.
set -e

initiator=iqn.2026-11.internal.dolmen:guest
dolmen="dolmen --dir /data/cluster"

field() { tr -d ' \n' <"$1" | sed "s/.*\"$2\":\[*\"*\([^],\"}]*\).*/\1/"; } # the first one of its name
step() { echo "ok: open-iscsi: $1"; }
# A disk of ours, once the kernel has found it
find_disk() {
  n=0
  while [ $n -lt 100 ]; do
    for vendor in /sys/block/sd*/device/vendor; do
      if [ -e "$vendor" ] && grep -q '^DOLMEN' "$vendor"; then
        disk=/dev/$(echo "$vendor" | cut -d/ -f4)
        [ ! -b "$disk" ] || return 0
      fi
    done
    sleep 0.1
    n=$((n + 1))
  done
  return 1
}

$dolmen --json up --size 512MiB >/tmp/up.json
$dolmen volume create guest 128MiB >/dev/null
$dolmen --json attachment create guest --initiator $initiator >/tmp/attachment.json
portal=$(field /tmp/attachment.json portals)
iscsistart -i $initiator -t "$(field /tmp/attachment.json target)" -g 1 -a "${portal%:*}" \
  -p "${portal#*:}" >/tmp/iscsistart 2>&1 || { cat /tmp/iscsistart; exit 1; }
find_disk
step "login"

[ "$(cat "/sys/block/${disk#/dev/}/size")" = 262144 ]
[ "$(cat "/sys/block/${disk#/dev/}/queue/physical_block_size")" = 4096 ]
step "size and block sizes"

/sbin/mke2fs -q -t ext4 -E discard "$disk"
mkdir -p /data/mount
mount -t ext4 "$disk" /data/mount
dd if=/dev/urandom of=/data/plain bs=1M count=40 2>/dev/null
cp /data/plain /data/mount/copy
sync
umount /data/mount
step "mkfs with discard, 40 MiB, sync"

echo 3 >/proc/sys/vm/drop_caches
mount -t ext4 "$disk" /data/mount
cmp /data/plain /data/mount/copy
umount /data/mount
/sbin/e2fsck -fn "$disk" >/tmp/fsck 2>&1 || { cat /tmp/fsck; exit 1; }
step "mounted again: the same 40 MiB, fsck clean"

$dolmen down >/dev/null
[ -z "$(pidof storaged metad)" ]
step "dolmen down"
