/* SPDX-License-Identifier: MIT */
#include "base/tty.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

bool tty_is(int fd)
{
	return isatty(fd) == 1;
}

int tty_size(int fd, unsigned short *rows, unsigned short *cols)
{
	struct winsize w = { 0 };

	if (ioctl(fd, TIOCGWINSZ, &w) < 0)
		return -errno;
	*rows = w.ws_row;
	*cols = w.ws_col;
	return 0;
}

int tty_set_size(int fd, unsigned short rows, unsigned short cols)
{
	struct winsize w = { .ws_row = rows, .ws_col = cols };

	return ioctl(fd, TIOCSWINSZ, &w) < 0 ? -errno : 0;
}

int tty_raw(int fd, struct termios *ret_saved, struct err *e)
{
	struct termios saved, raw;

	if (tcgetattr(fd, &saved) < 0)
		return err_sys(e, "read the terminal's settings");
	raw = saved;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0)
		return err_sys(e, "change the terminal's settings");
	*ret_saved = saved;
	return 0;
}

void tty_restore(int fd, const struct termios *saved)
{
	(void)tcsetattr(fd, TCSADRAIN, saved);
}

int tty_open_pty(int *ret_master, int *ret_slave, struct err *e)
{
	auto_close int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	auto_close int slave = -1;
	int unlock = 0;

	if (master < 0)
		return err_sys(e, "open '/dev/ptmx'");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(e, "unlock a pseudo terminal");
	/* not by name: that would depend on which devpts is mounted where (ioctl_tty(2)) */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, "open the other end of a pseudo terminal");
	*ret_master = TAKE_FD(master);
	*ret_slave = TAKE_FD(slave);
	return 0;
}
