/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why there is no BPF, in one sentence for a person who can do something about it.
 */
#pragma once

/**
 * bpf_why() - looks at what usually is the reason
 * @error: of loading a program, negative
 *
 * Return: a constant sentence without a full stop.
 */
const char *bpf_why(int error);
