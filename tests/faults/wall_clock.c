/* A process whose wall clock is off by as many seconds as the file says that WALL_CLOCK names: eight bytes, read again
 * at each look. Monotonic clocks are left alone, as they are when somebody sets the time.
 *
 * Compiled by tests/faults/wall_clock.py and preloaded into Redis. It includes no header, so a compiler is all it takes.
 */

typedef long word;
struct timespec { word s, ns; };
struct timeval { word s, us; };

extern word syscall(word number, ...);
extern char *getenv(const char *name);
extern int open(const char *path, int flags, ...);
extern void *mmap(void *at, unsigned long length, int protection, int flags, int file, word offset);

#if defined(__x86_64__)
enum { CLOCK_GETTIME = 228 };
#elif defined(__aarch64__)
enum { CLOCK_GETTIME = 113 };
#else
#error "name the number of clock_gettime here"
#endif

enum { REALTIME = 0, REALTIME_COARSE = 5 };
enum { READABLE = 1, SHARED = 1 };

static volatile word *ahead_s;

__attribute__((constructor)) static void look_for_the_file(void) {
  const char *path = getenv("WALL_CLOCK");
  void *found = path ? mmap(0, sizeof(word), READABLE, SHARED, open(path, 0), 0) : (void *)-1;
  if (found != (void *)-1) ahead_s = found;
}

int clock_gettime(int clock, struct timespec *at) {
  word failed = syscall(CLOCK_GETTIME, (word)clock, at);
  if (!failed && ahead_s && (clock == REALTIME || clock == REALTIME_COARSE)) at->s += *ahead_s;
  return (int)failed;
}

int gettimeofday(struct timeval *at, void *zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(REALTIME, &now);
  at->s = now.s;
  at->us = now.ns / 1000;
  return 0;
}

word time(word *at) {
  struct timespec now;
  clock_gettime(REALTIME, &now);
  if (at) *at = now.s;
  return now.s;
}
