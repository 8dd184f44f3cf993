/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/iscsi/scripts/probe.c — the robustness probe of iscsi.md 5.2: 45 malformed sequences, 22
 * before and during login, 23 after it.  What comes back is only held against the rules of every
 * PDU; whether the target lives on, and others with it, is asked after each.
 */
#include "tests/iscsi/script.h"

#define NAMES "InitiatorName=iqn.script;TargetName=" LAB_TARGET ";"
#define USUAL "InitialR2T=No\nImmediateData=Yes\nMaxOutstandingR2T=4\n"
#define END   "< whatever\n"
#define WRITE "write cdb=8a000000000000000000000000100000 "

/* clang-format off */
const struct script probe_scripts[] = {
    /* before and during login */
    {"5.2", "HTTP", BROKEN, NULL, "bytes 474554202f20485454502f312e310d0a0d0a\n" END},
    {"5.2", "TLS hello", BROKEN, NULL, "bytes 1603010200010001fc0303\n" END},
    {"5.2", "zeros", BROKEN, NULL, "bytes 000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\n" END},
    {"5.2", "ones", BROKEN, NULL, "bytes ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\n" END},
    {"5.2", "half a header", BROKEN, NULL, "login cut=20 keys=" NAMES "\n" END},
    {"5.2", "a header without its data", BROKEN, NULL, "login cut=48 keys=" NAMES "\n" END},
    {"5.2", "a login without data", BROKEN, NULL, "login\n" END},
    {"5.2", "a login that claims 16 MiB", BROKEN, NULL, "login dsl=16777215 keys=" NAMES "\n" END},
    {"5.2", "a login with 255 words of AHS", BROKEN, NULL, "login ahs=255 keys=" NAMES "\n" END},
    {"5.2", "no NUL at the end", BROKEN, NULL, "login keys=InitiatorName=iqn.script\n" END},
    {"5.2", "NULs only", BROKEN, NULL, "login keys=;;;;;;;;\n" END},
    {"5.2", "a lone =", BROKEN, NULL, "login keys==;\n" END},
    {"5.2", "a key without =", BROKEN, NULL, "login keys=" NAMES "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;\n" END},
    {"5.2", "a command before login", BROKEN, NULL, "scsi\n" END},
    {"5.2", "a ping before login", BROKEN, NULL, "nop data=16\n" END},
    {"5.2", "a text request before login", BROKEN, NULL, "text keys=SendTargets=All;\n" END},
    {"5.2", "a Data-Out before login", BROKEN, NULL, "data-out data=4096\n" END},
    {"5.2", "a command in the middle of it", BROKEN, NULL, "login flags=04 keys=" NAMES "\nscsi\n" END},
    {"5.2", "C for ever", BROKEN, NULL, "times 40\nlogin flags=44 data=2048\n" END},
    {"5.2", "from stage 3", BROKEN, NULL, "login flags=8f keys=" NAMES "\n" END},
    {"5.2", "a TSIH of nobody", BROKEN, NULL, "login tsih=65535 keys=" NAMES "\n" END},
    {"5.2", "an AuthMethod of nobody", BROKEN, NULL, "login flags=81 keys=" NAMES "AuthMethod=KRB5,SPKM1,SRP;\n" END},
    /* after it */
    {"5.2", "an opcode of nobody", BROKEN, USUAL, "pdu opcode=3f data=100\n" END},
    {"5.2", "a target's opcode", BROKEN, USUAL, "pdu opcode=25 data=512\n" END},
    {"5.2", "another login", BROKEN, USUAL, "login keys=" NAMES "\n" END},
    {"5.2", "a segment of 16 MiB", BROKEN, USUAL, "nop dsl=16777215\n" END},
    {"5.2", "255 words of AHS, and none come", BROKEN, USUAL, "scsi ahs=255\n" END},
    {"5.2", "AHS that end in the middle", BROKEN, USUAL, "scsi ahs=1 dsl=0 hex=ffff0000\n" END},
    {"5.2", "EDTL 0xffffffff to write", BROKEN, USUAL, WRITE "edtl=0xffffffff\n" END},
    {"5.2", "EDTL 0x80000000 to read", BROKEN, USUAL, "read cdb=88000000000000000000000000100000 edtl=0x80000000\n" END},
    {"5.2", "EDTL 0xfffffffd with immediate data", BROKEN, USUAL, WRITE "edtl=0xfffffffd data=4096\n" END},
    {"5.2", "a wild Buffer Offset", BROKEN, USUAL, WRITE "edtl=8192\n< r2t\ndata-out offset=0xfffffe00 data=512\n" END},
    {"5.2", "a Data-Out for nobody", BROKEN, USUAL, "data-out itt=99 ttt=98 data=4096\n" END},
    {"5.2", "a Data-Out after the last", BROKEN, USUAL, WRITE "edtl=8192\n< r2t\ntimes 2\ndata-out data=8192\n" END},
    {"5.2", "a Data-Out of nothing", BROKEN, USUAL, WRITE "edtl=8192\n< r2t\ndata-out flags=00 data=0\ndata-out datasn=1 data=0\n" END},
    {"5.2", "an ITT twice", BROKEN, USUAL, WRITE "edtl=8192\n< r2t\n" WRITE "itt=last edtl=8192\n" END},
    {"5.2", "both ways", BROKEN, USUAL, WRITE "flags=e0 edtl=8192 data=512\n" END},
    {"5.2", "a CmdSN far away", BROKEN, USUAL, "scsi sn=0x7fffffff\nscsi sn=0xffffffff\n" END},
    {"5.2", "SNACKs", BROKEN, USUAL, "times 40\nsnack flags=80\n" END},
    {"5.2", "a text request of nobody's", BROKEN, USUAL, "text ttt=1 keys=SendTargets=All;\ntext flags=c0 keys=a;\n" END},
    {"5.2", "text without end", BROKEN, USUAL, "times 40\ntext flags=40 ttt=last data=2048\n" END},
    {"5.2", "a function of nobody, on no unit", BROKEN, USUAL, "tmf flags=ff lun=ffffffffffffffff tag=0xffffffff\n" END},
    {"5.2", "logouts", BROKEN, USUAL, "logout flags=83\nlogout flags=81 cid=9\nlogout\nlogout\nscsi\n" END},
    {"5.2", "pings to the reserved tag", BROKEN, USUAL, "times 40\nnop itt=0xffffffff data=1000\n" END},
    {"5.2", "a CDB of an unknown opcode", BROKEN, USUAL, "scsi cdb=ffffffffffffffffffffffffffffffff\nwrite cdb=c0 edtl=65536 data=4096\n" END},
    {0},
};
/* clang-format on */
