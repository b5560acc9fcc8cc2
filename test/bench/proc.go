package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ is 100 on every Linux that
// Go runs on.
const tick = 10 * time.Millisecond

// cpuTime is user and system time of a process and of all below it.
func cpuTime(pid int) (time.Duration, error) {
	var total time.Duration
	for _, p := range append(children(pid), pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
		if err != nil {
			return 0, fmt.Errorf("reading CPU time: %w", err)
		}
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))
		for _, i := range []int{11, 12} { // utime, stime: fields 14 and 15 of proc(5)
			n, err := strconv.ParseInt(f[i], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading CPU time: %w", err)
			}
			total += time.Duration(n) * tick
		}
	}
	return total, nil
}

func children(pid int) []int {
	var all []int
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	for _, f := range lists {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread ended
		}
		for s := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(s); err == nil {
				all = append(all, n)
				all = append(all, children(n)...)
			}
		}
	}
	return all
}

// memory is resident memory in KiB: now and at its highest.
func memory(pid int) (now, peak int, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("reading memory: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "VmRSS:":
			now, err = strconv.Atoi(f[1])
		case "VmHWM:":
			peak, err = strconv.Atoi(f[1])
		}
		if err != nil {
			return 0, 0, fmt.Errorf("reading memory: %w", err)
		}
	}
	return now, peak, nil
}
