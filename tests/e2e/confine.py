# SPDX-License-Identifier: Apache-2.0
"""tests/e2e/confine.py UNIT COMMAND…: runs it with the system calls that a unit of systemd leaves it.

A filter of seccomp, made from the unit's own lines and the groups of the systemd that is here:
SystemCallFilter=, RestrictAddressFamilies=, MemoryDenyWriteExecute=.  It is stricter in one way:
the last two answer with an error, which a test may not see; here all end the process (SIGSYS).
The kernel's log says which call it was (syscall=).
"""
import ctypes, os, socket, subprocess, sys

KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000
EQUAL, MASKED_EQUAL = 4, 7
WRITE, EXEC, SHM_EXEC = 2, 4, 0o100000


class Condition(ctypes.Structure):  # struct scmp_arg_cmp
    _fields_ = [("argument", ctypes.c_uint), ("how", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def setting(unit, name):  # the values of its lines
    return [line.split("=", 1)[1].strip() for line in unit if line.startswith(name + "=")]


def calls(name):  # a group's, or the one of that name
    if not name.startswith("@"):
        return {name}
    shown = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True).stdout
    members = [line.strip() for line in shown.splitlines()[1:]]
    return set().union(*(calls(m) for m in members if m and not m.startswith("#")))


def allowed(unit):
    ret = calls("@default")
    for line in setting(unit, "SystemCallFilter"):
        named = set().union(*(calls(name) for name in line.lstrip("~").split()))
        ret = ret - named if line.startswith("~") else ret | named
    return ret


def conditions(unit):  # of some calls: it is allowed if one of them holds
    families = " ".join(setting(unit, "RestrictAddressFamilies")).split()
    ret = {"socket": [Condition(0, EQUAL, getattr(socket, family)) for family in families]}
    if setting(unit, "MemoryDenyWriteExecute") == ["yes"]:
        ret["mmap"] = [Condition(2, MASKED_EQUAL, WRITE | EXEC, one) for one in (0, WRITE, EXEC)]
        ret["mprotect"] = ret["pkey_mprotect"] = [Condition(2, MASKED_EQUAL, EXEC, 0)]
        ret["shmat"] = [Condition(2, MASKED_EQUAL, SHM_EXEC, 0)]
    return ret


def confine(unit):
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(KILL_PROCESS)))
    conditional = conditions(unit)
    for name in sorted(allowed(unit)):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        for condition in conditional.get(name, [None]) if number >= 0 else []:  # < 0: of another machine
            few = (0, None) if condition is None else (1, ctypes.byref(condition))
            assert seccomp.seccomp_rule_add_array(context, ctypes.c_uint32(ALLOW), number, *few) == 0, name
    assert seccomp.seccomp_load(context) == 0


with open(sys.argv[1], encoding="utf-8") as lines:
    confine(lines.read().splitlines())
os.execvp(sys.argv[2], sys.argv[2:])
