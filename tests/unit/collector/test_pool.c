/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pool on real memfds: what is lent can be read and not written, nothing lent is touched, and polls go
 * on when every buffer is away.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../harness.h"
#include "collector/pool.h"

static struct pool *pool;

static void setup(void)
{
	pool = NULL;
	ck_assert_int_eq(pool_new(&pool), 0);
}

static void teardown(void)
{
	pool = pool_free(pool);
}

/* Takes a buffer, writes a header with this id, publishes. */
static struct pool_buffer *publish(uint64_t id, int expected)
{
	struct pool_buffer *buffer = NULL;
	struct snapshot_header *header;

	ck_assert_int_eq(pool_take(pool, 100000, &buffer), expected);
	header = buffer->data;
	header->id = id;
	header->bytes = 4096;
	pool_publish(pool, buffer);
	ck_assert_ptr_eq(pool_newest(pool), buffer);
	return buffer;
}

static struct channel_lend lend(void)
{
	struct channel_lend packet = {};

	ck_assert_int_eq(pool_lend(pool, &packet), 0);
	return packet;
}

START_TEST(test_sealed)
{
	const struct pool_buffer *buffer = publish(7, 0);
	struct channel_lend packet = lend();
	const struct snapshot_header *seen;
	void *map;

	ck_assert_uint_eq(packet.type, CHANNEL_LEND);
	ck_assert_uint_eq(packet.buffer, buffer->number);
	ck_assert_uint_eq(packet.id, 7);
	ck_assert_uint_eq(packet.bytes, 4096);
	ck_assert_uint_eq(packet.size, buffer->size);
	ck_assert_int_eq(fcntl(buffer->memfd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);

	map = mmap(NULL, packet.size, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->memfd, 0);
	ck_assert_ptr_eq(map, MAP_FAILED);
	ck_assert_int_eq(errno, EPERM);
	map = mmap(NULL, packet.size, PROT_READ, MAP_SHARED, buffer->memfd, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	seen = map;
	ck_assert_uint_eq(seen->id, 7);
	ck_assert_int_ne(mprotect(map, packet.size, PROT_READ | PROT_WRITE), 0);
	ck_assert_int_lt((int)pwrite(buffer->memfd, "x", 1, 0), 0);
	ck_assert_int_ne(ftruncate(buffer->memfd, 4096), 0);
	ck_assert_int_ne(ftruncate(buffer->memfd, (off_t)packet.size * 2), 0);
	ck_assert_int_ne(fcntl(buffer->memfd, F_ADD_SEALS, F_SEAL_WRITE), 0);

	/* Our own mapping is still writable, and the reader sees it. */
	((struct snapshot_header *)buffer->data)->id = 8;
	ck_assert_uint_eq(seen->id, 8);
	munmap(map, packet.size);
}
END_TEST

START_TEST(test_two_are_enough)
{
	struct channel_lend before = {};
	uint64_t id;

	for (id = 1; id < 100; id++) {
		const struct pool_buffer *buffer = publish(id, 0);
		struct channel_lend now = lend();

		ck_assert_uint_lt(buffer->number, 2);
		if (id > 1)
			ck_assert_int_eq(pool_return(pool, &before), 0);
		before = now;
	}
}
END_TEST

START_TEST(test_lent_is_untouched)
{
	struct channel_lend first;
	struct pool_buffer *buffer;
	int i;

	publish(1, 0);
	first = lend();
	for (i = 2; i < 20; i++) {
		buffer = publish((uint64_t)i, 0);
		ck_assert_uint_ne(buffer->number, first.buffer);
	}
	ck_assert_int_eq(pool_return(pool, &first), 0);
	buffer = publish(20, 0);
	ck_assert_uint_eq(buffer->number, first.buffer);
}
END_TEST

START_TEST(test_lent_twice)
{
	struct channel_lend packet;

	publish(1, 0);
	packet = lend();
	packet = lend();
	publish(2, 0);
	ck_assert_int_eq(pool_return(pool, &packet), 0);
	ck_assert_uint_ne(publish(3, 0)->number, packet.buffer);
	ck_assert_int_eq(pool_return(pool, &packet), 0);
	ck_assert_int_eq(pool_return(pool, &packet), -EINVAL);
	ck_assert_uint_eq(publish(4, 0)->number, packet.buffer);
}
END_TEST

START_TEST(test_wrong_returns)
{
	struct channel_lend packet, wrong;

	publish(5, 0);
	wrong = (struct channel_lend){ .buffer = 0, .generation = 1, .id = 5 };
	ck_assert_int_eq(pool_return(pool, &wrong), -EINVAL); /* nothing is lent */
	packet = lend();
	wrong = packet;
	wrong.generation++;
	ck_assert_int_eq(pool_return(pool, &wrong), -EINVAL);
	wrong = packet;
	wrong.id++;
	ck_assert_int_eq(pool_return(pool, &wrong), -EINVAL);
	wrong = packet;
	wrong.buffer = CHANNEL_BUFFERS;
	ck_assert_int_eq(pool_return(pool, &wrong), -EINVAL);
	wrong.buffer = UINT32_MAX;
	ck_assert_int_eq(pool_return(pool, &wrong), -EINVAL);
	wrong = packet;
	wrong.buffer ^= 1;
	ck_assert_int_eq(pool_return(pool, &wrong), -EINVAL);
	ck_assert_int_eq(pool_return(pool, &packet), 0);
}
END_TEST

START_TEST(test_all_lent)
{
	struct channel_lend packets[CHANNEL_BUFFERS], none;
	const struct pool_buffer *a, *b, *c;
	uint32_t i;

	for (i = 0; i < CHANNEL_BUFFERS; i++) {
		publish(i + 1, 0);
		packets[i] = lend();
	}
	a = publish(10, 1);
	ck_assert_int_eq(a->memfd, -1);
	ck_assert_uint_ge(a->number, CHANNEL_BUFFERS);
	ck_assert_int_eq(pool_lend(pool, &none), -EAGAIN);
	b = publish(11, 1);
	ck_assert_ptr_ne(a, b);
	ck_assert_uint_eq(((const struct snapshot_header *)a->data)->id, 10);
	c = publish(12, 1);
	ck_assert_ptr_eq(a, c);
	ck_assert_int_eq(pool_return(pool, &packets[2]), 0);
	c = publish(13, 0);
	ck_assert_uint_eq(c->number, packets[2].buffer);
	/* What private memory there was is given back with the next but one. */
	ck_assert_ptr_null(a->data);
	pool_return_all(pool);
	ck_assert_int_eq(pool_return(pool, &packets[0]), -EINVAL);
	publish(14, 0);
}
END_TEST

START_TEST(test_grow_keeps)
{
	struct pool_buffer *buffer = NULL;
	uint32_t generation, i;
	size_t old;

	ck_assert_int_eq(pool_take(pool, 1000, &buffer), 0);
	old = buffer->size;
	ck_assert_uint_ge(old, 1000);
	generation = buffer->generation;
	for (i = 0; i < old / 4; i++)
		((uint32_t *)buffer->data)[i] = i;
	ck_assert_int_eq(pool_grow(pool, buffer, old), 0);
	ck_assert_uint_eq(buffer->generation, generation);
	ck_assert_int_eq(pool_grow(pool, buffer, old * 5), 0);
	ck_assert_uint_ge(buffer->size, old * 5);
	ck_assert_uint_ne(buffer->generation, generation);
	for (i = 0; i < old / 4; i++)
		ck_assert_uint_eq(((uint32_t *)buffer->data)[i], i);
	/* And the new memfd is sealed like the first. */
	ck_assert_ptr_eq(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, buffer->memfd, 0), MAP_FAILED);
	ck_assert_int_eq(pool_grow(pool, buffer, SIZE_MAX), -ENOMEM);
	ck_assert_uint_eq(((uint32_t *)buffer->data)[77], 77);
	pool_drop(pool, buffer);
}
END_TEST

START_TEST(test_drop)
{
	struct pool_buffer *a = NULL, *b = NULL;

	publish(1, 0);
	ck_assert_int_eq(pool_take(pool, 1, &a), 0);
	pool_drop(pool, a);
	ck_assert_uint_eq(((const struct snapshot_header *)pool_newest(pool)->data)->id, 1);
	ck_assert_int_eq(pool_take(pool, 1, &b), 0);
	ck_assert_ptr_eq(a, b);
	pool_drop(pool, b);
}
END_TEST

START_TEST(test_shrinks_after_a_peak)
{
	const size_t peak = (size_t)64 << 20;
	struct pool_buffer *buffer = NULL;
	int i;

	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(pool_take(pool, peak, &buffer), 0);
		ck_assert_uint_ge(buffer->size, peak);
		pool_publish(pool, buffer);
	}
	/* Not at once: the next peak may be near. */
	publish(1, 0);
	ck_assert_uint_ge(pool_newest(pool)->size, peak);
	for (i = 0; i < 200; i++)
		publish((uint64_t)i, 0);
	ck_assert_uint_lt(pool_newest(pool)->size, peak / 8);
	publish(1, 0);
	ck_assert_uint_lt(pool_newest(pool)->size, peak / 8);
}
END_TEST

START_TEST(test_idle_is_given_back)
{
	struct channel_lend slow[3];
	const struct pool_buffer *third = NULL;
	int i;

	for (i = 0; i < 3; i++) {
		third = publish((uint64_t)i, 0);
		slow[i] = lend();
	}
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(pool_return(pool, &slow[i]), 0);
	for (i = 0; i < 100; i++)
		publish((uint64_t)i, 0);
	ck_assert_ptr_null(third->data);
	ck_assert_int_eq(third->memfd, -1);
}
END_TEST

struct watched {
	bool there[64]; /* by number and generation */
	int made, dropped;
};

static bool *watched_slot(struct watched *watched, const struct pool_buffer *buffer)
{
	ck_assert_int_ge(buffer->memfd, 0);
	ck_assert_uint_lt(buffer->generation, 8);
	return &watched->there[buffer->number * 8 + buffer->generation];
}

static void made(const struct pool_buffer *buffer, void *context)
{
	struct watched *watched = context;
	bool *slot = watched_slot(watched, buffer);

	ck_assert(!*slot);
	*slot = true;
	watched->made++;
}

static void dropped(const struct pool_buffer *buffer, void *context)
{
	struct watched *watched = context;
	bool *slot = watched_slot(watched, buffer);

	ck_assert(*slot);
	*slot = false;
	watched->dropped++;
}

START_TEST(test_watched)
{
	struct watched watched = {};
	const struct pool_watch watch = { .made = made, .dropped = dropped, .context = &watched };
	struct channel_lend lends[CHANNEL_BUFFERS];
	struct pool_buffer *buffer;
	int i;

	publish(1, 0);
	pool_watch(pool, &watch);
	ck_assert_int_eq(watched.made, 1);
	lends[0] = lend();
	for (i = 1; i < (int)CHANNEL_BUFFERS; i++) {
		publish((uint64_t)i + 1, 0);
		lends[i] = lend();
	}
	ck_assert_int_eq(watched.made, CHANNEL_BUFFERS);
	/* Private memory is nobody's. */
	publish(10, 1);
	ck_assert_int_eq(watched.made, CHANNEL_BUFFERS);
	for (i = 0; i < (int)CHANNEL_BUFFERS; i++)
		ck_assert_int_eq(pool_return(pool, &lends[i]), 0);
	ck_assert_int_eq(pool_take(pool, 1, &buffer), 0);
	ck_assert_int_eq(pool_grow(pool, buffer, 10 << 20), 0);
	pool_publish(pool, buffer);
	ck_assert_int_eq(watched.made, CHANNEL_BUFFERS + 1);
	ck_assert_int_eq(watched.dropped, 1);
	/* What is kept stays kept when the pool goes. */
	pool_watch(pool, NULL);
	pool = pool_free(pool);
	ck_assert_int_eq(watched.dropped, 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("pool");
	TCase *tc = tcase_create("pool");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_sealed);
	tcase_add_test(tc, test_two_are_enough);
	tcase_add_test(tc, test_lent_is_untouched);
	tcase_add_test(tc, test_lent_twice);
	tcase_add_test(tc, test_wrong_returns);
	tcase_add_test(tc, test_all_lent);
	tcase_add_test(tc, test_grow_keeps);
	tcase_add_test(tc, test_drop);
	tcase_add_test(tc, test_shrinks_after_a_peak);
	tcase_add_test(tc, test_idle_is_given_back);
	tcase_add_test(tc, test_watched);
	suite_add_tcase(s, tc);
	return s;
}
