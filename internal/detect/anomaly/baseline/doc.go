// Package baseline is the arithmetic of what is usual: how many calls of a kind
// an hour sees, and how far a new hour is from that.
//
// Values come in hour by hour. [Moments] keeps mean and standard deviation by
// the method of Welford, which never subtracts two large numbers; [Baseline]
// adds a robust estimate from the median of the latest values, so that a few
// odd hours cannot widen what counts as usual, and a rule for what odd hours
// do to it: little, until there are so many of them that they are the new
// habit. [Season] knows the hours of the week.
//
// Everything is a value of fixed size without pointers, so that the state of
// many callers is small and can be written as it is. No result is NaN or
// infinite, whatever went in.
package baseline
