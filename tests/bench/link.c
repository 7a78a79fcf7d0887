/* SPDX-License-Identifier: MIT
 *
 * link: an empty program with the libraries of gantry. What it costs to start is what no command can be below.
 */
int main(void)
{
	return 0;
}
