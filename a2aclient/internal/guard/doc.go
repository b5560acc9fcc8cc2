// Package guard stands between the A2A SDK and the network. It knows where a
// credential may go and puts it on there, and lets only those answers and
// events through that were checked. What it promises is said by package
// a2aclient, whose lower half it is.
package guard
