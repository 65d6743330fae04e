// SPDX-License-Identifier: Apache-2.0
// OpenFlow errors. One name stands for what versions number differently: OpenFlow 1.0 lacks many of
// the later codes, and switches of the field send them there as Nicira vendor errors.
//
// Sources: OpenFlow 1.0.0 section 5.4.4, 1.3.5 section 7.5.4; the Nicira and ONF extension numbers
// are those that ovs-ofctl understands.
#pragma once

#include "lib/base/buf.h"
#include "lib/flow/oxm.h"

// STD(type, code): a standard error. NX(type, code): vendor error of 1.0. NXX(n), ONFX(n): an
// experimenter error of 1.3. X(name, in 1.0, in 1.3).
#define OF_ERRORS(X)                                                                               \
    X(OFPHFC_INCOMPATIBLE, STD(0, 0), STD(0, 0))                                                   \
    X(OFPBRC_BAD_VERSION, STD(1, 0), STD(1, 0))                                                    \
    X(OFPBRC_BAD_TYPE, STD(1, 1), STD(1, 1))                                                       \
    X(OFPBRC_BAD_STAT, STD(1, 2), STD(1, 2))                                                       \
    X(OFPBRC_BAD_VENDOR, STD(1, 3), STD(1, 3))                                                     \
    X(OFPBRC_BAD_SUBTYPE, STD(1, 4), STD(1, 4))                                                    \
    X(OFPBRC_EPERM, STD(1, 5), STD(1, 5))                                                          \
    X(OFPBRC_BAD_LEN, STD(1, 6), STD(1, 6))                                                        \
    X(OFPBRC_BUFFER_EMPTY, STD(1, 7), STD(1, 7))                                                   \
    X(OFPBRC_BUFFER_UNKNOWN, STD(1, 8), STD(1, 8))                                                 \
    X(OFPBRC_BAD_TABLE_ID, NX(1, 512), STD(1, 9))                                                  \
    X(OFPBRC_IS_SLAVE, STD(1, 5), STD(1, 10))                                                      \
    X(OFPBRC_BAD_PORT, NX(1, 514), STD(1, 11))                                                     \
    X(OFPBRC_BAD_PACKET, STD(1, 6), STD(1, 12))                                                    \
    X(OFPBRC_MULTIPART_BUFFER_OVERFLOW, STD(1, 6), STD(1, 13))                                     \
    X(NXBRC_NXM_INVALID, NX(1, 256), NXX(2))                                                       \
    X(NXBRC_MUST_BE_ZERO, NX(1, 515), NXX(4))                                                      \
    X(NXBRC_UNENCODABLE_ERROR, NX(1, 521), NXX(10))                                                \
    X(OFPBAC_BAD_TYPE, STD(2, 0), STD(2, 0))                                                       \
    X(OFPBAC_BAD_LEN, STD(2, 1), STD(2, 1))                                                        \
    X(OFPBAC_BAD_VENDOR, STD(2, 2), STD(2, 2))                                                     \
    X(OFPBAC_BAD_VENDOR_TYPE, STD(2, 3), STD(2, 3))                                                \
    X(OFPBAC_BAD_OUT_PORT, STD(2, 4), STD(2, 4))                                                   \
    X(OFPBAC_BAD_ARGUMENT, STD(2, 5), STD(2, 5))                                                   \
    X(OFPBAC_EPERM, STD(2, 6), STD(2, 6))                                                          \
    X(OFPBAC_TOO_MANY, STD(2, 7), STD(2, 7))                                                       \
    X(OFPBAC_BAD_QUEUE, STD(2, 8), STD(2, 8))                                                      \
    X(OFPBAC_BAD_OUT_GROUP, NX(2, 9), STD(2, 9))                                                   \
    X(OFPBAC_MATCH_INCONSISTENT, NX(1, 522), STD(2, 10))                                           \
    X(OFPBAC_UNSUPPORTED_ORDER, NX(1, 521), STD(2, 11))                                            \
    X(OFPBAC_BAD_TAG, NX(1, 521), STD(2, 12))                                                      \
    X(OFPBAC_BAD_SET_TYPE, NX(1, 523), STD(2, 13))                                                 \
    X(OFPBAC_BAD_SET_LEN, NX(1, 524), STD(2, 14))                                                  \
    X(OFPBAC_BAD_SET_ARGUMENT, NX(1, 525), STD(2, 15))                                             \
    X(OFPBAC_BAD_SET_MASK, NX(1, 521), ONFX(4250))                                                 \
    X(NXBAC_MUST_BE_ZERO, NX(2, 256), NXX(11))                                                     \
    X(OFPBIC_UNKNOWN_INST, NX(1, 521), STD(3, 0))                                                  \
    X(OFPBIC_UNSUP_INST, NX(2, 257), STD(3, 1))                                                    \
    X(OFPBIC_BAD_TABLE_ID, NX(1, 521), STD(3, 2))                                                  \
    X(OFPBIC_BAD_EXPERIMENTER, NX(1, 521), STD(3, 5))                                              \
    X(OFPBIC_BAD_LEN, NX(1, 521), STD(3, 7))                                                       \
    X(OFPBIC_DUP_INST, NX(1, 521), ONFX(2600))                                                     \
    X(OFPBMC_BAD_TYPE, NX(1, 521), STD(4, 0))                                                      \
    X(OFPBMC_BAD_LEN, NX(1, 521), STD(4, 1))                                                       \
    X(OFPBMC_BAD_NW_ADDR_MASK, NX(1, 521), STD(4, 4))                                              \
    X(OFPBMC_BAD_WILDCARDS, NX(1, 262), STD(4, 5))                                                 \
    X(OFPBMC_BAD_FIELD, NX(0, 263), STD(4, 6))                                                     \
    X(OFPBMC_BAD_VALUE, NX(1, 258), STD(4, 7))                                                     \
    X(OFPBMC_BAD_MASK, NX(1, 259), STD(4, 8))                                                      \
    X(OFPBMC_BAD_PREREQ, NX(1, 260), STD(4, 9))                                                    \
    X(OFPBMC_DUP_FIELD, NX(1, 261), STD(4, 10))                                                    \
    X(OFPFMFC_UNKNOWN, NX(1, 521), STD(5, 0))                                                      \
    X(OFPFMFC_TABLE_FULL, STD(3, 0), STD(5, 1))                                                    \
    X(OFPFMFC_BAD_TABLE_ID, NX(1, 521), STD(5, 2))                                                 \
    X(OFPFMFC_OVERLAP, STD(3, 1), STD(5, 3))                                                       \
    X(OFPFMFC_EPERM, STD(3, 2), STD(5, 4))                                                         \
    X(OFPFMFC_BAD_EMERG_TIMEOUT, STD(3, 3), STD(5, 0))                                             \
    X(OFPFMFC_BAD_COMMAND, STD(3, 4), STD(5, 6))                                                   \
    X(OFPFMFC_BAD_FLAGS, NX(3, 258), STD(5, 7))                                                    \
    X(OFPFMFC_UNSUPPORTED, STD(3, 5), STD(5, 0))                                                   \
    X(NXFMFC_BAD_TABLE_ID, NX(5, 257), NXX(13))                                                    \
    X(OFPGMFC_OUT_OF_GROUPS, NX(6, 3), STD(6, 3))                                                  \
    X(OFPGMFC_UNKNOWN_GROUP, NX(6, 8), STD(6, 8))                                                  \
    X(OFPGMFC_BAD_COMMAND, NX(6, 11), STD(6, 11))                                                  \
    X(OFPPMFC_BAD_PORT, STD(4, 0), STD(7, 0))                                                      \
    X(OFPPMFC_BAD_HW_ADDR, STD(4, 1), STD(7, 1))                                                   \
    X(OFPPMFC_BAD_CONFIG, NX(1, 521), STD(7, 2))                                                   \
    X(OFPPMFC_BAD_ADVERTISE, NX(1, 521), STD(7, 3))                                                \
    X(OFPPMFC_EPERM, STD(1, 5), STD(7, 4))                                                         \
    X(OFPTMFC_BAD_TABLE, NX(1, 521), STD(8, 0))                                                    \
    X(OFPTMFC_BAD_CONFIG, NX(1, 521), STD(8, 1))                                                   \
    X(OFPQOFC_BAD_PORT, STD(5, 0), STD(9, 0))                                                      \
    X(OFPQOFC_BAD_QUEUE, STD(5, 1), STD(9, 1))                                                     \
    X(OFPSCFC_BAD_FLAGS, NX(1, 521), STD(10, 0))                                                   \
    X(OFPSCFC_BAD_LEN, NX(1, 521), STD(10, 1))                                                     \
    X(OFPRRFC_STALE, NX(1, 521), STD(11, 0))                                                       \
    X(OFPRRFC_BAD_ROLE, NX(1, 513), STD(11, 2))                                                    \
    X(OFPMMFC_UNKNOWN_METER, NX(1, 521), STD(12, 3))                                               \
    X(OFPMMFC_BAD_COMMAND, NX(1, 521), STD(12, 4))                                                 \
    X(OFPMMFC_OUT_OF_METERS, NX(1, 521), STD(12, 10))                                              \
    X(OFPTFFC_EPERM, NX(1, 521), STD(13, 5))

enum of_error {
    OF_OK = 0,
#define X(name, v10, v13) name,
    OF_ERRORS(X)
#undef X
        OF_ERROR_COUNT,
};

const char *of_error_name(enum of_error); // "OFPBRC_BAD_LEN"

// Appends an OFPT_ERROR for a request to `out`. `request` is the whole message, of which the first
// kB is quoted (the specification asks for 64 bytes at least). `text` is sent instead of it where
// the specification wants a sentence (OFPHFC_INCOMPATIBLE); else NULL.
void of_error_put(struct buf *out, uint8_t version, enum of_error, const void *request,
                  size_t request_len, const char *text);

enum of_error of_error_from_oxm(enum oxm_error, uint8_t version);
