/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real web process and the snapshots lent to it: replies under way while these change, readers that are
 * slow or gone, and a channel that does not keep its promises.
 */
#include "../harness.h"
#include "server_fixture.h"

START_TEST(breaks_visibly)
{
	struct channel_settings settings = process_settings();
	struct scene s;
	struct answer answer;

	settings.log_level = 2;
	s = scene_new(&settings);
	answer = get(&s.p, "/fails?count=300000");
	ck_assert_int_eq(answer.status, 200);
	ck_assert(!answer.whole);
	answer_done(&answer);
	answer = get(&s.p, "/fails?count=1000"); /* before the first byte */
	ck_assert(answer.status == 0 || answer.status == 500);
	answer_done(&answer);
	answer = get(&s.p, "/small");
	ck_assert_int_eq(answer.status, 200);
	answer_done(&answer);
	scene_done(&s);
}
END_TEST

/* Sends a request for more than the kernel's buffers hold and reads nothing. */
static int begin_large(const struct web_process *p)
{
	static const char request[] =
		"GET /lines?count=20000000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct pollfd poll_fd = { .events = POLLIN };

	poll_fd.fd = process_connect(p);
	ck_assert(http_send(poll_fd.fd, request, strlen(request)));
	ck_assert_int_eq(poll(&poll_fd, 1, 5000), 1);
	return poll_fd.fd;
}

START_TEST(slow_reader)
{
	struct channel_settings settings = process_settings();
	struct lent second = process_snapshot(1, 1, 8), third = process_snapshot(2, 1, 9);
	struct buffer in = {};
	struct answer answer;
	struct scene s;
	int64_t began;
	int fd;

	settings.hold_ns = NSEC_PER_SEC;
	s = scene_new(&settings);
	began = process_now();
	fd = begin_large(&s.p);
	/* The reader keeps the first; the second goes as soon as the third is there. */
	process_lend(&s.p, &second, true);
	process_expect_nothing(&s.p, 100);
	process_lend(&s.p, &third, true);
	process_expect_return(&s.p, &second, 5000);
	process_expect_nothing(&s.p, 100);
	answer = get(&s.p, "/small");
	ck_assert_ptr_nonnull(strstr(answer.body.data, "\"id\":9"));
	answer_done(&answer);
	process_expect_return(&s.p, &s.first, 5000);
	ck_assert_int_ge(process_now() - began, NSEC_PER_SEC);
	ck_assert_int_lt(process_now() - began, 3 * NSEC_PER_SEC);
	/* Its pages may change now; nothing may look at them. */
	memset(s.first.map, 0xff, 1 << 20);
	http_read(fd, &in, false, &answer);
	ck_assert_int_eq(answer.status, 200);
	ck_assert(!answer.whole);
	answer_done(&answer);
	buffer_done(&in);
	close(fd);
	ck_assert_int_eq(statistic(&s.p, "broken_off"), 1);
	ck_assert_int_eq(statistic(&s.p, "now"), 1);
	scene_done(&s);
	lent_done(&second);
	lent_done(&third);
}
END_TEST

START_TEST(vanished_reader)
{
	const struct linger linger = { .l_onoff = 1 };
	struct lent second = process_snapshot(1, 1, 8);
	struct scene s = scene_new(NULL);
	int fd = begin_large(&s.p);

	process_lend(&s.p, &second, true);
	process_expect_nothing(&s.p, 100);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
	process_expect_return(&s.p, &s.first, 5000);
	ck_assert_int_eq(statistic(&s.p, "broken_off"), 0);
	ck_assert_int_eq(statistic(&s.p, "now"), 1);
	scene_done(&s);
	lent_done(&second);
}
END_TEST

START_TEST(buffers_come_and_go)
{
	struct web_process p = process_new();
	struct lent lents[4];
	struct answer answer;
	union channel_packet packet;
	uint64_t id = 10;
	uint32_t i;

	process_start(&p, true);
	for (i = 0; i < 4; i++) {
		lents[i] = process_snapshot(i % 2, 1 + i / 2, 10 + i);
		process_lend(&p, &lents[i], true);
		if (i)
			process_expect_return(&p, &lents[i - 1], 5000);
	}
	/* The mappings stay: from now on without descriptors. */
	for (i = 0; i < 200; i++) {
		struct lent *lent = &lents[2 + i % 2];
		struct snapshot_header *header = lent->map;

		id = lent->packet.id = header->id = 100 + i;
		process_lend(&p, lent, false);
		ck_assert_int_eq(process_receive(&p, &packet, 5000), CHANNEL_RETURN);
	}
	/* Lent twice, returned twice. */
	process_lend(&p, &lents[3], false);
	answer = get(&p, "/small");
	ck_assert_int_eq(answer.status, 200);
	ck_assert_int_eq(strncmp(answer.body.data, "{\"id\":299", 9), 0);
	answer_done(&answer);
	lents[2].packet.id = ((struct snapshot_header *)lents[2].map)->id = ++id;
	process_lend(&p, &lents[2], false);
	process_expect_return(&p, &lents[3], 5000);
	process_expect_return(&p, &lents[3], 5000);
	process_expect_nothing(&p, 50);
	process_stop(&p);
	for (i = 0; i < 4; i++)
		lent_done(&lents[i]);
}
END_TEST

/* A channel that is full loses nothing: neither what goes back nor the answer to a ping. */
START_TEST(full_channel)
{
	struct scene s = scene_new(NULL);
	struct lent second = process_snapshot(1, 1, 8);
	union channel_packet packet;
	struct channel_ping ping = { .type = CHANNEL_PING };
	bool returned = false, answered = false;

	process_lend(&s.p, &second, true);
	process_expect_return(&s.p, &s.first, 5000);
	/* Questions, and nobody reads the answers: of those that find no room the newest is kept. */
	while (ping.number < 2000) {
		struct pollfd poll_fd = { .fd = s.p.channel, .events = POLLOUT };

		ping.number++;
		ck_assert_int_eq(poll(&poll_fd, 1, 5000), 1);
		ck_assert_int_eq(channel_send(s.p.channel, &ping, sizeof(ping), -1), 0);
	}
	s.first.packet.id = ((struct snapshot_header *)s.first.map)->id = 9;
	ck_assert_int_eq(channel_send(s.p.channel, &s.first.packet, sizeof(s.first.packet), -1), 0);
	while (!returned || !answered) {
		ck_assert_int_gt(process_receive(&s.p, &packet, 5000), 0);
		if (packet.type == CHANNEL_RETURN)
			returned = true;
		else
			answered = packet.ping.number == ping.number;
	}
	scene_done(&s);
	lent_done(&second);
}
END_TEST

START_TEST(broken_snapshot)
{
	struct channel_settings settings = process_settings();
	struct lent broken = process_snapshot(1, 1, 8);
	struct answer answer;
	struct scene s;

	settings.log_level = 2;
	s = scene_new(&settings);
	((struct snapshot_header *)broken.map)->magic = 0;
	process_lend(&s.p, &broken, true);
	process_expect_return(&s.p, &broken, 5000);
	answer = get(&s.p, "/small");
	ck_assert_ptr_nonnull(strstr(answer.body.data, "\"id\":7"));
	answer_done(&answer);
	scene_done(&s);
	lent_done(&broken);
}
END_TEST

/* What the channel must not do: overwrite what is lent, name what was never given, talk out of turn. */
START_TEST(broken_channel)
{
	struct channel_settings settings = process_settings();
	struct scene s;

	settings.log_level = 2;
	s = scene_new(&settings);
	switch (_i) {
	case 0:
		s.first.packet.id++;
		process_lend(&s.p, &s.first, false);
		break;
	case 1:
		s.first.packet.buffer = 2;
		process_lend(&s.p, &s.first, false);
		break;
	case 2:
		s.first.packet.buffer = CHANNEL_BUFFERS;
		process_lend(&s.p, &s.first, true);
		break;
	case 3:
		ck_assert_int_eq(send(s.p.channel, "?", 1, 0), 1);
		break;
	default:
		process_send_listener(&s.p, dup(s.first.memfd), true, false, "late");
		break;
	}
	ck_assert_int_eq(process_wait(&s.p), EXIT_FAILURE);
	close(s.p.channel);
	lent_done(&s.first);
}
END_TEST

/* A ping is answered while replies of any length are under way. */
START_TEST(lives_under_load)
{
	struct scene s = scene_new(NULL);
	int64_t worst = 0;
	pid_t readers[4];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		readers[i] = fork();
		if (readers[i] == 0) {
			char piece[65536];
			int fd = begin_large(&s.p);

			while (recv(fd, piece, sizeof(piece), 0) > 0)
				continue;
			_exit(0);
		}
	}
	for (i = 0; i < 20; i++) {
		int64_t began = process_now();

		process_ping(&s.p, 100 + i);
		process_expect_ping(&s.p, 100 + i);
		worst = MAX(worst, process_now() - began);
	}
	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		kill(readers[i], SIGKILL);
		waitpid(readers[i], NULL, 0);
	}
	ck_assert_int_lt(worst, NSEC_PER_SEC);
	scene_done(&s);
}
END_TEST

static int begin_wait(const struct web_process *p, const char *target)
{
	int fd = process_connect(p);
	char request[128];

	snprintf(request, sizeof(request), "GET /waits/%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
		 target);
	ck_assert(http_send(fd, request, strlen(request)));
	return fd;
}

static void end_wait(int fd, int status, const char *argument)
{
	struct buffer in = {};
	struct answer answer;

	http_read(fd, &in, false, &answer);
	ck_assert_int_eq(answer.status, status);
	ck_assert_ptr_nonnull(strstr(answer.body.data, argument));
	answer_done(&answer);
	buffer_done(&in);
	close(fd);
}

static void wait_until(const struct web_process *p, const char *name, json_int_t value)
{
	int64_t began = process_now();

	while (statistic(p, name) != value)
		ck_assert_int_lt(process_now() - began, 5 * NSEC_PER_SEC);
}

/* A request that waits holds nothing, and is asked again at each snapshot, and when its time is over. */
START_TEST(waits)
{
	struct channel_settings settings = process_settings();
	struct lent second = process_snapshot(1, 1, 8), third = process_snapshot(2, 1, 9);
	struct scene s = scene_new(&settings);
	int64_t began = process_now();
	int fds[64], fd, i;

	/* What was decoded is not decoded again. */
	fds[0] = begin_wait(&s.p, "9%2525");
	fds[1] = begin_wait(&s.p, "8");
	fd = begin_wait(&s.p, "1000");
	wait_until(&s.p, "waiting", 3);
	process_lend(&s.p, &second, true);
	process_expect_return(&s.p, &s.first, 5000);
	end_wait(fds[1], 200, "\"8\"");
	process_lend(&s.p, &third, true);
	end_wait(fds[0], 200, "\"9%25\"");
	end_wait(fd, 409, "\"1000\"");
	ck_assert_int_ge(process_now() - began, NSEC_PER_SEC / 2);
	ck_assert_int_lt(process_now() - began, 5 * NSEC_PER_SEC);
	process_expect_return(&s.p, &second, 5000);
	ck_assert_int_eq(statistic(&s.p, "waiting"), 0);
	ck_assert_int_eq(statistic(&s.p, "waits"), 3);
	/* One that would be too many has its answer at once. */
	for (i = 0; i < 64; i++)
		fds[i] = begin_wait(&s.p, "1001");
	wait_until(&s.p, "waiting", 64);
	began = process_now();
	end_wait(begin_wait(&s.p, "1002"), 409, "1002");
	ck_assert_int_lt(process_now() - began, NSEC_PER_SEC / 2);
	ck_assert_int_eq(statistic(&s.p, "waits_refused"), 1);
	/* Clients that go meanwhile, and the end of the process. */
	for (i = 0; i < 32; i++)
		close(fds[i]);
	scene_done(&s);
	for (; i < 64; i++)
		close(fds[i]);
	lent_done(&second);
	lent_done(&third);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("server readers");
	TCase *t = tcase_create("process");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, breaks_visibly);
	tcase_add_test(t, slow_reader);
	tcase_add_test(t, waits);
	tcase_add_test(t, vanished_reader);
	tcase_add_test(t, buffers_come_and_go);
	tcase_add_test(t, full_channel);
	tcase_add_test(t, broken_snapshot);
	tcase_add_loop_test(t, broken_channel, 0, 5);
	tcase_add_test(t, lives_under_load);
	suite_add_tcase(s, t);
	return s;
}
