# SPDX-License-Identifier: Apache-2.0
# bench/first.jq — medians of the pairs of bench/first, the ratios within a pair, and the aims beside
# them.  Input: every run.  A pair that others disturbed counts only where there is no other.

def disturbed: .others > 0.25;
def median: sort | if length % 2 == 1 then .[length / 2 | floor]
  else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def round_to($n): if $n == 0 then round else (. * pow(10; $n) | round) / pow(10; $n) end;
def text: if . >= 100 then round_to(0) elif . >= 10 then round_to(1) else round_to(2) end | tostring;

# the pairs of a cell: {dolmen, tgt}
def pairs: group_by(.pair) | map(INDEX(.system));
def used: . as $all | map(select(map(disturbed) | any | not)) | if length == 0 then $all else . end;
def both(f): "\(map(.dolmen | f) | median | text) / \(map(.tgt | f) | median | text)";
def ratios(f): map((.dolmen | f) / (.tgt | f));
def spread: "\(median | round_to(2)) (\(min | round_to(2))–\(max | round_to(2)))";

# The kernel's threads are not to be seen everywhere.
def of_kernel: if any(.[][]; .kernel_us == null) then "–" else both(.kernel_us) end;

def aim_of_iops: if test("sequential") then null elif test("QD 32") then 1.3 else 1.0 end;
def aim_of_cpu: if test("sequential") then null else 0.7 end;
def verdict($aim; met): if $aim == null then "no aim" elif met then "\($aim): met" else "\($aim): MISSED" end;

def row:
  .[0].name as $name | pairs as $all | ($all | used) as $used |
  ($used | ratios(.iops)) as $iops | ($used | ratios(.cpu_us)) as $cpu |
  ($name | aim_of_iops) as $least | ($name | aim_of_cpu) as $most |
  [ $name,
    "\($used | length) of \($all | length)\(if $used | map(map(disturbed) | any) | any then " *" else "" end)",
    ($used | both(.iops)), ($used | both(.mb_s)),
    ($iops | spread), verdict($least; ($iops | median) >= $least),
    ($used | both(.mean_us)), ($used | both(.p50_us)), ($used | both(.p99_us)), ($used | both(.p999_us)),
    ($used | both(.cpu_us)), ($cpu | spread), verdict($most; ($cpu | median) <= $most),
    ($used | of_kernel), ($used | both(.switches)), ($used | map(.dolmen.client_us) | median | text),
    ($used | map(.dolmen.others, .tgt.others) | max | text) ];

def titles: ["cell", "pairs", "IOPS", "MB/s", "× tgt", "aim ≥", "mean µs", "p50", "p99", "p99.9",
  "CPU µs/IO", "× tgt", "aim ≤", "kernel's µs/IO", "switches/IO", "fio's CPU µs/IO", "others"];
def line: "| " + join(" | ") + " |";

"Dolmen / tgt \($tgt) (rdwr, no write cache); \($machine)", "",
(titles | line), (titles | map("---") | line),
(. as $runs | reduce .[].name as $n ([]; if index($n) then . else . + [$n] end) | .[] as $n |
  $runs | map(select(.name == $n)) | row | line),
"", "*: others used more than 0.25 of a core in a run; such pairs count only where there are no others."
