/* SPDX-License-Identifier: Apache-2.0 */
/* tests/iscsi/scripts/full_feature.c — the rules of full feature phase, each kept and broken (RFC
 * 7143 4.2.2, 7, 11). */
#include "tests/iscsi/script.h"

#define USUAL                                                                                      \
    "InitialR2T=No\nImmediateData=Yes\nFirstBurstLength=4096\nMaxBurstLength=8192\n"               \
    "MaxOutstandingR2T=2\nMaxRecvDataSegmentLength=8192\n"
#define DIGESTS       "HeaderDigest=CRC32C\nDataDigest=CRC32C\nInitialR2T=No\n"
#define WRITE_1       "write cdb=8a000000000000000000000000010000 edtl=512"
#define WRITE_16      "write cdb=8a000000000000000000000000100000 edtl=8192"
#define WRITE_64      "write cdb=8a000000000000000000000000400000 edtl=32768"
#define READ_1        "read cdb=88000000000000000000000000010000 edtl=512"
#define ALIVE         "nop\n< nop-in\n"
#define GOOD          "< response status=00\n" ALIVE
#define R2T_16        WRITE_16 "\n< r2t offset=0 length=8192 r2tsn=0\n"
#define REFUSED(code) "< reject why=9\n< response status=02 sense=" code "\n" ALIVE

/* clang-format off */
const struct script full_feature_scripts[] = {
    {"4.2.2.1", "CmdSN within the window", KEPT, USUAL, READ_1 " sn=+0\n< data-in\n"},
    {"4.2.2.1", "CmdSN within the window", BROKEN, USUAL, READ_1 " sn=+4000\n< nothing\nnop immediate\n< nop-in\n"},
    {"4.2.2.1", "a CmdSN comes once", KEPT, USUAL, "scsi\n< response\nscsi\n< response\n"},
    {"4.2.2.1", "a CmdSN comes once", BROKEN, USUAL, "scsi\n< response\nscsi sn=-1\n< nothing\n" ALIVE},
    {"4.2.2.1", "commands are delivered in order", KEPT, USUAL, "scsi sn=+0\n< response\n"},
    {"4.2.2.1", "commands are delivered in order", BROKEN, USUAL, "scsi sn=+1\n< nothing\nscsi sn=+0\n< response\n< response\n"},
    {"4.2.2.1", "an immediate command uses up no CmdSN", KEPT, USUAL, "scsi immediate\n< response\nscsi sn=+0\n< response\n"},
    {"4.2.2.1", "an immediate command uses up no CmdSN", BROKEN, USUAL, "nop immediate sn=+77\n< nop-in\nscsi sn=+0\n< response\n"},
    {"4.3", "a discovery session asks for targets and leaves", KEPT, "discovery", "text keys=SendTargets=All;\n< text-response has=TargetName=" LAB_TARGET "\n"},
    {"4.3", "a discovery session asks for targets and leaves", BROKEN, "discovery", READ_1 "\n< reject why=4\n"},
    {"7.7", "the header digest is right", KEPT, DIGESTS, "nop data=5\n< nop-in data=5\n"},
    {"7.7", "the header digest is right", BROKEN, DIGESTS, "nop data=5 spoil-header\n< closed\n"},
    {"7.8", "the data digest of a command is right", KEPT, DIGESTS, WRITE_1 " data=512\n" GOOD},
    {"7.8", "the data digest of a command is right", BROKEN, DIGESTS, WRITE_1 " data=512 spoil-data sn=+0\n< reject why=2\n" WRITE_1 " sn=+0 data=512\n< response status=00\n"},
    {"7.8", "the data digest of Data-Out is right", KEPT, DIGESTS, R2T_16 "data-out data=8192\n" GOOD},
    {"7.8", "the data digest of Data-Out is right", BROKEN, DIGESTS, R2T_16 "data-out flags=00 data=4096 spoil-data\n< reject why=2\n< nothing\n"
     "data-out offset=4096 datasn=1 data=4096\n< response status=02 sense=0b4705\n" ALIVE},
    {"11.2.1", "an opcode that there is", KEPT, USUAL, ALIVE},
    {"11.2.1", "an opcode that there is", BROKEN, USUAL, "pdu opcode=1c\n< reject why=5\nnop sn=+0\n< nop-in\n"},
    {"11.2.1", "an ITT names one task", KEPT, USUAL, R2T_16 "data-out data=8192\n" GOOD},
    {"11.2.1", "an ITT names one task", BROKEN, USUAL, R2T_16 "scsi immediate itt=last\n< reject why=7\n"},
    {"11.2.2", "additional segments fill TotalAHSLength", KEPT, USUAL, "scsi ahs=2 dsl=0 hex=0005020000000000\n< response status=00\n"},
    {"11.2.2", "additional segments fill TotalAHSLength", BROKEN, USUAL, "scsi ahs=2 dsl=0 hex=0006020000000000 immediate\n< reject why=9\n" ALIVE},
    {"11.2.3", "a segment within MaxRecvDataSegmentLength", KEPT, USUAL, "nop data=262144\n< nop-in data=8192\n"},
    {"11.2.3", "a segment within MaxRecvDataSegmentLength", BROKEN, USUAL, "nop dsl=262145\n< reject why=9\n< closed\n"},
    {"11.3.1", "a command moves data one way", KEPT, USUAL, READ_1 "\n< data-in flags=81 data=512\n"},
    {"11.3.1", "a command moves data one way", BROKEN, USUAL, READ_1 " flags=e0\n< response status=02 sense=050e03\n" ALIVE},
    {"11.3.4", "EDTL is what the command moves", KEPT, USUAL, WRITE_1 " data=512\n" GOOD},
    {"11.3.4", "EDTL is what the command moves", BROKEN, USUAL, READ_1 " edtl=1024\n< data-in flags=83 residual=512 data=512\n" READ_1 " edtl=256\n< data-in flags=85 residual=256 data=256\n"},
    {"11.3.4", "immediate data within EDTL", KEPT, USUAL, WRITE_1 " data=512\n" GOOD},
    {"11.3.4", "immediate data within EDTL", BROKEN, USUAL, WRITE_1 " data=513\n< response status=02 sense=0b0c0c\n" ALIVE},
    {"11.3.4", "immediate data within FirstBurstLength", KEPT, USUAL, WRITE_16 " data=4096\n< r2t offset=4096 length=4096\ndata-out offset=4096 data=4096\n" GOOD},
    {"11.3.4", "immediate data within FirstBurstLength", BROKEN, USUAL, WRITE_16 " data=4097\n< response status=02 sense=0b0c0c\n" ALIVE},
    {"11.3.4", "unsolicited data if InitialR2T is No", KEPT, USUAL, WRITE_16 " flags=20\ndata-out ttt=0xffffffff itt=last data=4096\n< r2t offset=4096 length=4096\ndata-out offset=4096 data=4096\n" GOOD},
    {"11.3.4", "unsolicited data if InitialR2T is No", BROKEN, "", WRITE_16 " flags=20\n< response status=02 sense=0b0c0c\n" ALIVE},
    {"11.5.1", "a function that there is", KEPT, USUAL, "tmf flags=82\n< tmf-response response=0\n" ALIVE},
    {"11.5.1", "a function that there is", BROKEN, USUAL, "tmf flags=8b\n< tmf-response response=5\n" ALIVE},
    {"11.5.1", "CLEAR TASK SET, of the logical unit", KEPT, USUAL, "tmf flags=84\n< tmf-response response=0\n" ALIVE},
    {"11.5.1", "CLEAR TASK SET, of the logical unit", BROKEN, USUAL, "tmf flags=84 lun=1000000000000\n< tmf-response response=2\n" ALIVE},
    {"11.5.1", "a reset ends with a unit attention", KEPT, USUAL, "tmf flags=85\n< tmf-response response=0\nscsi\n< response status=02 sense=062903\n"},
    {"11.5.1", "a reset ends with a unit attention", BROKEN, USUAL, "tmf flags=88\n< tmf-response response=4\n" "scsi\n< response status=00\n"},
    {"11.5.1", "TARGET WARM RESET", KEPT, USUAL, "tmf flags=86\n< tmf-response response=0\nscsi\n< response status=02 sense=062902\n"},
    {"11.5.1", "TARGET WARM RESET", BROKEN, USUAL, "tmf flags=83\n< tmf-response response=5\n" ALIVE},
    {"11.5.1", "TARGET COLD RESET ends all connections", KEPT, USUAL, "tmf flags=87\n< tmf-response response=0\n< closed\n"},
    {"11.5.1", "TARGET COLD RESET ends all connections", BROKEN, USUAL, "tmf flags=80\n< tmf-response response=5\n" ALIVE},
    {"11.6.1", "ABORT TASK of a task that is there", KEPT, USUAL, R2T_16 "tmf flags=81 tag=last immediate\n< tmf-response\n"},
    {"11.6.1", "ABORT TASK of a task that is there", BROKEN, USUAL, "tmf flags=81 tag=4711 refcmdsn=0 immediate\n< tmf-response response=1\n" ALIVE},
    {"11.6.1", "RefCmdSN of a command that was lost", KEPT, USUAL, "scsi sn=+1\ntmf flags=81 immediate tag=4711 refcmdsn=+0 sn=+1\n< tmf-response response=0\n< response\n"},
    {"11.6.1", "RefCmdSN of a command that was lost", BROKEN, USUAL, "tmf flags=81 immediate tag=4711 refcmdsn=+9 sn=+1\n< tmf-response response=1\n" ALIVE},
    {"11.7.3", "Data-Out has the TTT of its R2T", KEPT, USUAL, R2T_16 "data-out data=8192\n" GOOD},
    {"11.7.3", "Data-Out has the TTT of its R2T", BROKEN, USUAL, R2T_16 "data-out ttt=4711 data=8192\n" REFUSED("0b0c0d")},
    {"11.7.3", "unsolicited Data-Out was announced", KEPT, USUAL, WRITE_1 " flags=20\ndata-out ttt=0xffffffff itt=last data=512\n" GOOD},
    {"11.7.3", "unsolicited Data-Out was announced", BROKEN, USUAL, R2T_16 "data-out ttt=0xffffffff data=8192\n" REFUSED("0b0c0c")},
    {"11.7.5", "DataSN counts from 0", KEPT, USUAL, R2T_16 "data-out flags=00 data=4096\ndata-out datasn=1 offset=4096 data=4096\n" GOOD},
    {"11.7.5", "DataSN counts from 0", BROKEN, USUAL, R2T_16 "data-out flags=00 data=4096\ndata-out datasn=0 offset=4096 data=4096\n" REFUSED("0b4705")},
    {"11.7.6", "Buffer Offset goes on where it was", KEPT, USUAL, R2T_16 "data-out data=8192 offset=0\n" GOOD},
    {"11.7.6", "Buffer Offset goes on where it was", BROKEN, USUAL, R2T_16 "data-out offset=0xfffff000 data=8192\n" REFUSED("0b0c0d")},
    {"11.7.1", "F ends what the R2T asked for", KEPT, USUAL, R2T_16 "data-out flags=80 data=8192\n" GOOD},
    {"11.7.1", "F ends what the R2T asked for", BROKEN, USUAL, R2T_16 "data-out flags=80 data=512\n" REFUSED("0b0c0d")},
    {"11.7.1", "no more than the R2T asked for", KEPT, USUAL, R2T_16 "data-out data=8192\n" GOOD},
    {"11.7.1", "no more than the R2T asked for", BROKEN, USUAL, R2T_16 "data-out data=8196\n" REFUSED("0b0c0d")},
    {"11.7", "data for a task that is there", KEPT, USUAL, R2T_16 "data-out data=8192\n" GOOD},
    {"11.7", "data for a task that is there", BROKEN, USUAL, "data-out itt=4711 ttt=4712 data=512\n< nothing\n" ALIVE},
    {"11.8", "as many R2Ts as agreed, each a burst", KEPT, USUAL, WRITE_64 "\n< r2t offset=0 length=8192 r2tsn=0\n< r2t offset=8192 length=8192 r2tsn=1\n< nothing\n"},
    {"11.8", "as many R2Ts as agreed, each a burst", BROKEN, USUAL, WRITE_64 "\n< r2t\n< r2t\ndata-out offset=8192 data=8192\n" REFUSED("0b0c0d")},
    {"11.10", "a text request in a normal session", KEPT, USUAL, "text keys=SendTargets=;\n< text-response flags=80 ttt=0xffffffff has=TargetName=" LAB_TARGET "\n" ALIVE},
    {"11.10", "a text request in a normal session", BROKEN, USUAL, "text keys=sendtargets=All;\n< text-response has=sendtargets=NotUnderstood\n" ALIVE},
    {"11.10", "text is key=value pairs", KEPT, USUAL, "text keys=X-a=1;\n< text-response has=X-a=NotUnderstood\n"},
    {"11.10", "text is key=value pairs", BROKEN, USUAL, "text keys=nonsense;\n< reject why=4\n" ALIVE},
    {"11.10", "C: the text goes on", KEPT, USUAL, "text flags=40 keys=SendTar\n< text-response flags=00 data=0\ntext ttt=last keys=gets=;\n< text-response flags=80 has=TargetName=" LAB_TARGET "\n"},
    {"11.10", "C: the text goes on", BROKEN, USUAL, "text flags=40 keys=SendTar\n< text-response flags=00 data=0\ntext ttt=4711 keys=gets=;\n< reject why=9\n"},
    {"11.10.4", "a TTT that the target gave", KEPT, USUAL, "text keys=X-a=1;\n< text-response\n"},
    {"11.10.4", "a TTT that the target gave", BROKEN, USUAL, "text ttt=4711 keys=X-a=1;\n< reject why=9\n"},
    {"11.10", "keys of the login are settled", KEPT, USUAL, "text keys=MaxRecvDataSegmentLength=4096;\n< text-response flags=80\n" ALIVE},
    {"11.10", "keys of the login are settled", BROKEN, USUAL, "text keys=MaxBurstLength=512;\n< text-response has=MaxBurstLength=Reject\n" ALIVE},
    {"11.14.1", "a logout of this session", KEPT, USUAL, "logout\n< logout-response response=0\n< closed\n"},
    {"11.14.1", "a logout of this session", BROKEN, USUAL, "logout flags=82\n< logout-response response=2\n" ALIVE},
    {"11.14.2", "a logout of this connection", KEPT, USUAL, "logout flags=81\n< logout-response response=0\n< closed\n"},
    {"11.14.2", "a logout of this connection", BROKEN, USUAL, "logout flags=81 cid=3\n< logout-response response=1\n" ALIVE},
    {"11.16", "no SNACK at ErrorRecoveryLevel 0", KEPT, USUAL, ALIVE},
    {"11.16", "no SNACK at ErrorRecoveryLevel 0", BROKEN, USUAL, "snack flags=81\n< reject why=3\nnop sn=+0\n< nop-in\n"},
    {"11.18", "a ping's data comes back", KEPT, USUAL, "nop data=9\n< nop-in data=9 ttt=0xffffffff\n"},
    {"11.18", "a ping's data comes back", BROKEN, USUAL, "nop immediate itt=0xffffffff ttt=4711 data=9\n< nothing\n" ALIVE},
    {0},
};
/* clang-format on */
