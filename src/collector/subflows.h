/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which TCP rows are subflows of an MPTCP socket, where the kernel does not say so.
 */
#pragma once

#include <stdint.h>

#include "model/record.h"

/**
 * subflows_mark() - finds the subflows of the MPTCP sockets among @records
 *
 * Those of which the kernel has told (TCPDIAG_KNOWS_ULP, TCPDIAG_KNOWS_SUBFLOW) are left as they are. A record that is marked has
 * to be judged anew: RECORD_JUDGED is taken from it.
 *
 * Return: 0; -ENOMEM, then nothing has changed.
 */
int subflows_mark(struct record *records, uint32_t count);
