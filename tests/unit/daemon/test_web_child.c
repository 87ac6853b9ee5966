/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parent's side of the web process, with this program itself as the other side: run again under
 * the web process's name it plays what the settings' first host names.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "../harness.h"
#include "collector/chronicle.h"
#include "daemon/bell.h"
#include "daemon/web_child.h"

extern char **environ;

/* ---- the other side ---- */

static void reply(const void *packet, uint32_t size, int passed)
{
	if (channel_send(CHANNEL_FD, packet, size, passed) < 0)
		_exit(9);
}

static bool receive(union channel_packet *packet, int *passed)
{
	fd_set set;

	*passed = -1;
	FD_ZERO(&set);
	FD_SET(CHANNEL_FD, &set);
	if (select(CHANNEL_FD + 1, &set, NULL, NULL, NULL) < 0)
		_exit(9);
	return channel_receive(CHANNEL_FD, packet, passed) == 0;
}

/* Exit status 3 where the process is not as bare as it should be. */
static void check_bareness(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	sigset_t mask;
	int death = 0;

	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (fd > CHANNEL_FD && fd != dirfd(dir))
			_exit(3);
	}
	sigprocmask(SIG_BLOCK, NULL, &mask);
	if (!dir || sigismember(&mask, SIGTERM) || sigismember(&mask, SIGCHLD) ||
	    prctl(PR_GET_PDEATHSIG, &death) < 0 || death != SIGKILL || (environ && environ[0]))
		_exit(3);
	closedir(dir);
}

/* Maps what is lent and returns it when its first bytes are the snapshot's. */
static void take_lend(const struct channel_lend *lend, int passed)
{
	static void *mapped[CHANNEL_BUFFERS];
	struct channel_lend back = *lend;

	if (passed >= 0) {
		mapped[lend->buffer] = mmap(NULL, lend->size, PROT_READ, MAP_SHARED, passed, 0);
		close(passed);
	}
	if (!mapped[lend->buffer] || mapped[lend->buffer] == MAP_FAILED ||
	    ((struct snapshot_header *)mapped[lend->buffer])->id != lend->id)
		_exit(4);
	back.type = CHANNEL_RETURN;
	reply(&back, sizeof(back), -1);
}

#define LAST_EVENT 500 /* the other side then ends with how often it was told, and 100 */

/* The journal comes once, and for reading. Exit status 8 where it does not, 100 + n: see above. */
static void take_journal(const union channel_packet *packet, int passed)
{
	static struct journal_view view;
	static int told;
	void *map;

	if (packet->type == CHANNEL_EVENTS) {
		told++;
		/* It is there by the time that it is told. */
		if (!view.header || journal_newest(&view) < packet->events.newest)
			_exit(8);
		if (packet->events.newest == LAST_EVENT)
			_exit(100 + told);
		return;
	}
	if (view.header || passed < 0 ||
	    mmap(NULL, packet->journal.size, PROT_READ | PROT_WRITE, MAP_SHARED, passed, 0) !=
		    MAP_FAILED)
		_exit(8);
	map = mmap(NULL, packet->journal.size, PROT_READ, MAP_SHARED, passed, 0);
	close(passed);
	if (map == MAP_FAILED || journal_open(map, packet->journal.size, &view) < 0)
		_exit(8);
}

static void misbehave(const char *part)
{
	struct channel_lend lend = { .type = CHANNEL_RETURN };
	struct channel_ping ping = { .type = CHANNEL_PING, .number = 7 };
	uint32_t ready = CHANNEL_READY;

	if (!strcmp(part, "crash"))
		_exit(1);
	if (!strcmp(part, "returns"))
		reply(&lend, sizeof(lend), -1);
	if (!strcmp(part, "answers"))
		reply(&ping, sizeof(ping), -1);
	if (!strcmp(part, "garbage"))
		reply("xyz", 3, -1);
	if (!strcmp(part, "lends")) {
		lend.type = CHANNEL_LEND;
		reply(&lend, sizeof(lend), -1);
	}
	reply(&ready, sizeof(ready), !strcmp(part, "passes") ? 0 : -1);
	if (!strcmp(part, "twice"))
		reply(&ready, sizeof(ready), -1);
}

static void play(void)
{
	char part[CHANNEL_HOSTS_MAX] = "";

	check_bareness();
	for (;;) {
		union channel_packet packet;
		int passed;

		if (!receive(&packet, &passed))
			_exit(0);
		switch (packet.type) {
		case CHANNEL_SETTINGS:
			if (!*part) {
				memcpy(part, packet.settings.allowed_hosts, sizeof(part));
				misbehave(part);
			} else if (packet.settings.expose_api) {
				_exit(5);
			}
			break;
		case CHANNEL_LISTEN:
			if (strcmp(packet.listen.address, "test") != 0 || passed < 0)
				_exit(6);
			close(passed);
			break;
		case CHANNEL_LEND:
			take_lend(&packet.lend, passed);
			break;
		case CHANNEL_JOURNAL:
		case CHANNEL_EVENTS:
			take_journal(&packet, passed);
			break;
		case CHANNEL_PING:
			if (strcmp(part, "mute") != 0)
				reply(&packet.ping, sizeof(packet.ping), -1);
			break;
		default:
			_exit(7);
		}
	}
}

__attribute__((constructor)) static void be_the_other_side(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[0], WEB_CHILD_NAME) && !strcmp(argv[1], WEB_CHILD_ARGUMENT))
		play();
}

/* ---- this side ---- */

#define PATIENCE 20000 /* ms: a machine under load is no mistake of the web process */

struct fixture {
	sd_event *event;
	struct log log;
	struct pool *pool;
	struct listeners listeners;
	struct chronicle chronicle;
	struct bell bell;
	struct channel_settings settings;
	struct web_child *child;
	int program;
	int readies;
	uint32_t restarts;
	uint64_t snapshots;
};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

static void count_ready(void *context)
{
	((struct fixture *)context)->readies++;
}

static void count_restart(uint32_t restarts, void *context)
{
	((struct fixture *)context)->restarts = restarts;
}

static void setup(struct fixture *f, const char *part, int64_t ping_ms, int64_t silence_ms)
{
	struct web_child_config config;
	sigset_t mask;

	*f = (struct fixture){
		.log = { .output = LOG_OUTPUT_PREFIX, .level = LOG_DEBUG, .process = "t" }
	};
	/* The log is not what is tested. */
	f->log.fd = memfd_create("log", MFD_CLOEXEC);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	ck_assert_int_ge(sd_event_new(&f->event), 0);
	ck_assert_int_eq(pool_new(&f->pool), 0);
	f->program = web_child_program();
	ck_assert_int_ge(f->program, 10);
	f->listeners.count = 1;
	f->listeners.items[0].fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(f->listeners.items[0].address, sizeof(f->listeners.items[0].address), "test");
	f->settings.type = CHANNEL_SETTINGS;
	snprintf(f->settings.allowed_hosts, sizeof(f->settings.allowed_hosts), "%s", part);
	ck_assert_int_eq(chronicle_open(&f->chronicle, 4096, "boot", 0), 0);
	config = (struct web_child_config){
		.event = f->event,
		.log = &f->log,
		.pool = f->pool,
		.listeners = &f->listeners,
		.journal = f->chronicle.memfd,
		.journal_size = f->chronicle.size,
		.program = f->program,
		.ping_ns = ping_ms * NSEC_PER_MSEC,
		.silence_ns = silence_ms * NSEC_PER_MSEC,
		.ready = count_ready,
		.restarted = count_restart,
		.context = f,
	};
	ck_assert_int_eq(web_child_new(&config, &f->settings, &f->child), 0);
	ck_assert_int_eq(bell_open(&f->bell, f->event, f->chronicle.journal, f->child), 0);
}

static void teardown(struct fixture *f)
{
	int pid = web_child_pid(f->child);

	bell_close(&f->bell);
	f->child = web_child_free(f->child);
	chronicle_close(&f->chronicle);
	if (pid)
		ck_assert_int_lt(kill(pid, 0), 0);
	pool_free(f->pool);
	close(f->listeners.items[0].fd);
	close(f->program);
	close(f->log.fd);
	sd_event_unref(f->event);
}

static bool logged(struct fixture *f, const char *text)
{
	char log[16384] = "";

	return pread(f->log.fd, log, sizeof(log) - 1, 0) > 0 && strstr(log, text);
}

/* Runs the loop until the condition holds, fifteen seconds at most. */
#define RUN_UNTIL(f, condition) \
	do { \
		for (int i_ = 0; i_ < 1500 && !(condition); i_++) \
			ck_assert_int_ge(sd_event_run((f)->event, 10000), 0); \
		ck_assert(condition); \
	} while (0)

/* A buffer that can be lent: where none is free yet, one comes back soon. */
static bool take(struct fixture *f, struct pool_buffer **buffer)
{
	int r = pool_take(f->pool, 4096, buffer);

	ck_assert_int_ge(r, 0);
	if (r == 1)
		pool_drop(f->pool, *buffer);
	return r == 0;
}

static void publish(struct fixture *f)
{
	struct pool_buffer *buffer;
	struct snapshot_header *header;

	RUN_UNTIL(f, take(f, &buffer));
	header = buffer->data;
	header->id = ++f->snapshots;
	header->bytes = sizeof(*header);
	pool_publish(f->pool, buffer);
	web_child_lend(f->child);
}

static void run_for(struct fixture *f, int ms)
{
	for (int i = 0; i < ms / 10; i++)
		sd_event_run(f->event, 10000);
}

START_TEST(test_lends_and_takes_back)
{
	struct fixture f;

	setup(&f, "serves", 50, PATIENCE);
	RUN_UNTIL(&f, web_child_ready(f.child));
	ck_assert_int_eq(f.readies, 1);
	/* More than there are buffers: each one has come back in time. */
	for (int i = 0; i < 50; i++) {
		publish(&f);
		run_for(&f, 20);
	}
	ck_assert_uint_eq(f.restarts, 0);
	teardown(&f);
}
END_TEST

START_TEST(test_killed_and_back)
{
	struct fixture f;
	int pid;

	setup(&f, "serves", 50, PATIENCE);
	RUN_UNTIL(&f, web_child_ready(f.child));
	publish(&f);
	pid = web_child_pid(f.child);
	kill(pid, SIGKILL);
	RUN_UNTIL(&f, f.restarts == 1 && web_child_ready(f.child));
	ck_assert_int_ne(web_child_pid(f.child), pid);
	/* The new one was lent the newest, with its descriptor, and lives on it. */
	run_for(&f, 100);
	publish(&f);
	run_for(&f, 100);
	ck_assert_uint_eq(f.restarts, 1);
	ck_assert(logged(&f, "signal 9"));
	teardown(&f);
}
END_TEST

static const struct bad {
	const char *part;
	const char *says;
} bads[] = {
	{ "mute", "does not answer" },	{ "returns", "did not have" },
	{ "answers", "was not asked" }, { "garbage", "no packet" },
	{ "lends", "no business" },	{ "passes", "passed a descriptor" },
	{ "twice", "ready twice" },	{ "crash", "status 1" },
};

START_TEST(test_misbehaviour_ends_it)
{
	struct fixture f;

	setup(&f, bads[_i].part, 50, 200);
	RUN_UNTIL(&f, f.restarts >= 1);
	ck_assert_msg(logged(&f, bads[_i].says), "%s", bads[_i].part);
	teardown(&f);
}
END_TEST

/* One that cannot live is started less and less often. */
START_TEST(test_backoff)
{
	struct fixture f;
	int64_t start;

	setup(&f, "crash", 50, PATIENCE);
	start = now();
	/* At once, after 100 ms, after 200 ms, after 400 ms. */
	RUN_UNTIL(&f, f.restarts >= 4);
	ck_assert_int_ge(now() - start, 700 * NSEC_PER_MSEC);
	teardown(&f);
}
END_TEST

START_TEST(test_settings_again)
{
	struct fixture f;

	setup(&f, "serves", 50, PATIENCE);
	RUN_UNTIL(&f, web_child_ready(f.child));
	f.settings.expose_api = true;
	web_child_configure(f.child, &f.settings);
	/* It plays by ending with status 5 when it gets these. */
	RUN_UNTIL(&f, logged(&f, "status 5"));
	teardown(&f);
}
END_TEST

static int add_event(sd_event_source *timer, uint64_t usec, void *userdata)
{
	struct fixture *f = userdata;
	struct event event = { .kind = EVENT_CLOSED };

	if (journal_add(f->chronicle.journal, &event) == LAST_EVENT)
		return 0;
	sd_event_source_set_time(timer, usec + 1000);
	sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
	return 0;
}

/* Five hundred events in half a second and more: told of the first and of the last, and not often between. */
START_TEST(test_events)
{
	sd_event_source *timer = NULL;
	char status[64];
	struct fixture f;
	int64_t start;
	int told, most;

	setup(&f, "serves", 50, PATIENCE);
	RUN_UNTIL(&f, web_child_ready(f.child));
	start = now();
	ck_assert_int_ge(
		sd_event_add_time_relative(f.event, &timer, CLOCK_MONOTONIC, 0, 1, add_event, &f),
		0);
	RUN_UNTIL(&f, logged(&f, "with status 1"));
	most = (int)((now() - start) / (100 * NSEC_PER_MSEC)) + 2;
	for (told = 1; told < 100; told++) {
		snprintf(status, sizeof(status), "with status %d;", 100 + told);
		if (logged(&f, status))
			break;
	}
	ck_assert_int_ge(told, 2);
	ck_assert_int_le(told, most);
	/* The one after it gets the journal, too. */
	RUN_UNTIL(&f, f.restarts == 1 && web_child_ready(f.child));
	run_for(&f, 100);
	ck_assert_uint_eq(f.restarts, 1);
	sd_event_source_disable_unref(timer);
	teardown(&f);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("web_child");
	TCase *t = tcase_create("web_child");

	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_lends_and_takes_back);
	tcase_add_test(t, test_killed_and_back);
	tcase_add_loop_test(t, test_misbehaviour_ends_it, 0, ARRAY_SIZE(bads));
	tcase_add_test(t, test_backoff);
	tcase_add_test(t, test_settings_again);
	tcase_add_test(t, test_events);
	suite_add_tcase(s, t);
	return s;
}
