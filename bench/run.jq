# SPDX-License-Identifier: Apache-2.0
# bench/run.jq — one run of bench/first: fio's report, and what the machine counted before and after.
# `others` are the cores that neither the servers, nor fio, nor the kernel's threads used.

def counted: split(" ") | {servers: (.[0] | tonumber), all: (.[-1] | tonumber),
  kernel: (.[1:-1] | map(split(":") | {key: .[0], value: (.[1] | tonumber)}) | from_entries)};

($before | counted) as $b | ($after | counted) as $a |
([$a.kernel | to_entries[] | [.value - ($b.kernel[.key] // 0), 0] | max] | add // 0) as $kernel |
.jobs[0] as $job | $job.mixed as $m |
($m.runtime / 1000) as $seconds |
(($job.usr_cpu + $job.sys_cpu) / 100 * $job.job_runtime / 1000) as $client |
def part($p): $m.clat_ns.percentile[$p] / 1000;
if $job.error != 0 or $m.total_ios == 0 then error("fio failed: \($job.error)") else
{
  name: $name, system: $system, pair: $pair, seconds: $seconds, ios: $m.total_ios,
  iops: $m.iops, mb_s: ($m.bw_bytes / 1e6),
  mean_us: ($m.lat_ns.mean / 1000), p50_us: part("50.000000"), p99_us: part("99.000000"),
  p999_us: part("99.900000"),
  cpu_us: (($a.servers - $b.servers) / $tick * 1e6 / $m.total_ios),
  kernel_us: (if $a.kernel == {} then null else $kernel / $tick * 1e6 / $m.total_ios end),
  client_us: ($client * 1e6 / $m.total_ios),
  switches: ($switched / $m.total_ios),
  others: ([(($a.all - $b.all - $a.servers + $b.servers - $kernel) / $tick - $client) / $seconds, 0] | max)
} end
