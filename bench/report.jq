# SPDX-License-Identifier: Apache-2.0
# bench/report.jq — medians of the runs and of the paired ratios; the table, and the aims beside
# what was measured.  Input: every run as bench/store recorded it.  What was not measured is "–".

def median: map(select(. != null)) | sort |
  if length == 0 then null
  elif length % 2 == 1 then .[length / 2 | floor]
  else (.[length / 2 - 1] + .[length / 2]) / 2 end;

# A run that acknowledged less has in its bytes what the warm-up left to a checkpoint.
def checkpoint_bytes: 32 * 1048576;

# of one kind of runs of a cell: the median of a figure
def figure($kind; f): map(select(.kind == $kind) | f) | median;
# the median of what one run is to the run of the other kind in the same pair
def paired($other; f):
  . as $runs | map(select(.kind == "store") | . as $s | ($runs[] |
    select(.kind == $other and .pair == $s.pair)) as $o |
    select(($s | f) != null and ($o | f) != null and ($o | f) > 0) | ($s | f) / ($o | f)) | median;

def cell:
  (.[0] | {op, size, order, state, depth}) + {
    name: (.[0] | "\(.op) \(.size / 1024)k \(.order) \(.state) QD \(.depth)"),
    pairs: (map(.pair) | max),
    iops: figure("store"; .iops), mean_us: figure("store"; .mean_us), p50_us: figure("store"; .p50_us),
    p99_us: figure("store"; .p99_us), p999_us: figure("store"; .p999_us),
    silence_us: (map(select(.kind == "store") | .silence_us) | max),
    cpu_us: figure("store"; .cpu_us), others: figure("store"; .others),
    bytes_per_byte: figure("store"; if .state == "steady" and .requests * .size >= checkpoint_bytes
      then .bytes_per_byte else null end),
    dsync: {iops: figure("dsync"; .iops), p50_us: figure("dsync"; .p50_us),
      p999_us: figure("dsync"; .p999_us), cpu_us: figure("dsync"; .cpu_us)},
    plain: {iops: figure("plain"; .iops), p50_us: figure("plain"; .p50_us),
      p999_us: figure("plain"; .p999_us), cpu_us: figure("plain"; .cpu_us)},
    to_dsync: paired("dsync"; .iops), to_plain: paired("plain"; .iops),
    mean_to_dsync: paired("dsync"; .mean_us)
  };

# [cell, what, figure, "least" or "most", the aim]
def aims: [
  ["write 4k random steady QD 32", "× raw O_DSYNC", .to_dsync, "least", 1.0],
  ["write 4k random burst QD 32", "× raw O_DSYNC", .to_dsync, "least", 2.0],
  ["write 4k random steady QD 1", "× its mean latency", .mean_to_dsync, "most", 1.25],
  ["read 4k random cached QD 32", "× raw", .to_plain, "least", 0.9],
  ["read 4k random cached QD 1", "× raw", .to_plain, "least", 0.8],
  ["read 4k random cold QD 32", "× raw", .to_plain, "least", 0.45],
  ["read 4k random cold QD 1", "× raw", .to_plain, "least", 0.7],
  ["write 4k random steady QD 8", "bytes a byte", .bytes_per_byte, "most", 3],
  ["write 4k random steady QD 32", "bytes a byte", .bytes_per_byte, "most", 3],
  ["write 4k random steady QD 128", "bytes a byte", .bytes_per_byte, "most", 3],
  ["write 64k random steady QD 32", "bytes a byte", .bytes_per_byte, "most", 1.1],
  ["write 1024k sequential steady QD 8", "bytes a byte", .bytes_per_byte, "most", 1.1],
  ["write 4k random steady QD 32", "µs of CPU a write", .cpu_us, "most", 10],
  ["write 4k random steady QD 128", "ms, the longest silence", (.silence_us // null | if . then . / 1000 else null end), "most", 50]
];

def round($digits): if . == null then null else pow(10; $digits) as $p | . * $p | round / $p end;
def show($digits): if . == null then "–" else round($digits) | tostring end;
def padded($width): . + (" " * ([0, $width - length] | max));
def left($width): (" " * ([0, $width - length] | max)) + .;
def row($cells): ($cells[0] | padded(36)) + ($cells[1:] | map(left(9)) | join(""));

def aims_of($cells):
  [range(0; ({} | aims | length)) as $i | ({} | aims[$i]) as $a |
    ([$cells[] | select(.name == $a[0])] | first // {}) as $c | ($c | aims[$i]) as $m |
    {cell: $m[0], what: $m[1], figure: $m[2], bound: $m[3], aim: $m[4],
      verdict: (if $m[2] == null then "not measured"
        elif ($m[3] == "least" and $m[2] >= $m[4]) or ($m[3] == "most" and $m[2] <= $m[4]) then "met"
        else "missed" end)}];

def table($cells; $aims):
  row(["", "IOPS", "MB/s", "mean µs", "p50", "p99", "p99.9", "CPU µs", "B/B", "×dsync", "×plain", "others"]),
  ($cells[] | row([.name, (.iops | show(0)), (.iops * .size / 1e6 | show(0)), (.mean_us | show(0)),
    (.p50_us | show(0)), (.p99_us | show(0)), (.p999_us | show(0)), (.cpu_us | show(1)),
    (.bytes_per_byte | show(2)), (.to_dsync | show(2)), (.to_plain | show(2)),
    (.others | show(1))])),
  (if $cells | any(.others > 0.5) then "others took more than half a core: only ratios mean something, and they little"
    else empty end),
  "",
  ($aims[] | "\(.verdict | padded(13))\(.cell | padded(36))\(.figure | show(2)) \(.what) (at \(.bound) \(.aim))"),
  ($cells[] | select(.depth == 128 and .state == "steady" and .size == 4096) |
    "journal full, QD 128: p50 \(.p50_us | show(0)) µs, p99.9 \(.p999_us | show(0)) µs, longest silence "
    + "\(.silence_us | show(0)) µs (raw O_DSYNC: p50 \(.dsync.p50_us | show(0)), p99.9 \(.dsync.p999_us | show(0)))");

. as $runs
| [$runs | group_by([.op, .size, .order, .state, .depth])[] | cell] | sort_by(.op == "read", .size, .state, .depth) as $cells
| aims_of($cells) as $aims
| if $json == 1 then {machine: $machine, cells: $cells, aims: $aims, runs: $runs}
  else "\($machine); medians of \($cells | map(.pairs) | max) pairs", table($cells; $aims) end
