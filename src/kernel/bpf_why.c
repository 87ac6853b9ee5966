/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bpf(2) says EPERM for a missing capability (capabilities(7)), for lockdown (kernel_lockdown(7)) and
 * where a seccomp filter says so; and EINVAL for all that a kernel does not know. What is behind it can be seen
 * from outside.
 */
#include "kernel/bpf_why.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>

#include "kernel/proc.h"
#include "model/macro.h"

#define VMLINUX "/sys/kernel/btf/vmlinux"

static bool has_capabilities(void)
{
	static const int needed[] = { CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!(data[CAP_TO_INDEX(needed[i])].effective & CAP_TO_MASK(needed[i])))
			return false;
	return true;
}

/* "none integrity [confidentiality]": the one in brackets is in force. */
static bool is_locked_down(void)
{
	char text[128];
	int r = proc_read_text(AT_FDCWD, "/sys/kernel/security/lockdown", text, sizeof(text));

	return r > 0 && memmem(text, r, "[confidentiality]", strlen("[confidentiality]"));
}

const char *bpf_why(int error)
{
	if (error == -ENOMEM)
		return "there is no memory for it; before Linux 5.11 LimitMEMLOCK=infinity gives "
		       "more";
	if (error == -ENOSYS)
		return "this kernel has no bpf() (CONFIG_BPF_SYSCALL), or a sandbox hides it";
	if (access(VMLINUX, R_OK) < 0)
		return "there is no " VMLINUX " to read: the kernel was built without "
		       "CONFIG_DEBUG_INFO_BTF, or a sandbox hides it";
	if (is_locked_down())
		return "the kernel is locked down for confidentiality: boot without lockdown, or "
		       "with integrity";
	if (error == -EPERM || error == -EACCES)
		return has_capabilities()
			       ? "bpf() is refused in spite of the capabilities: let the sandbox "
				 "allow it "
				 "(SystemCallFilter=bpf), and load in the host's user namespace"
			       : "it needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN: run as root or "
				 "grant them";
	return "this kernel does not take the program: Linux 5.11 or newer is needed, with "
	       "CONFIG_BPF_JIT or "
	       "the interpreter";
}
