# SPDX-License-Identifier: Apache-2.0
# bench/null.jq — the table of bench/first --null: $runs has every run, the input a line for each
# cell with its system calls and instructions per command.

def median: sort | .[(length - 1) / 2 | floor];
def round_to($n): (. * pow(10; $n) | round) / pow(10; $n);
def line: "| " + join(" | ") + " |";

[inputs] as $counted |
($runs | map(.name) | reduce .[] as $n ([]; if index($n) then . else . + [$n] end)) as $names |
"null_target: the target over a block that answers at once; \($machine)", "",
(["cell", "commands/s (the client is the limit)", "CPU µs/command", "commands a second and core", "aim ≥",
  "system calls/command", "instructions/command, kernel not counted"] | line, (map("---") | line)),
($names | to_entries[] | .key as $i | .value as $name |
  ($runs | map(select(.name == $name and .pair > 0))) as $of | ($of | map(.cpu_us) | median) as $cpu |
  [$name, ($of | map(.iops) | median | round), ($cpu | round_to(2)), (1e6 / $cpu | round),
   (if $name | test("QD 1$") then "no aim: wake-ups" elif 1e6 / $cpu >= 200000 then "200000: met"
    else "200000: MISSED" end), $counted[$i]] | line)
