package alert

// Forget takes out that a person looked after alerts or silenced them. It
// returns how often that was.
func (e *Engine) Forget(who string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, a := range e.state.Alerts {
		if a.AckedBy == who {
			a.AckedBy = erased
			n++
		}
	}
	for i := range e.state.Silences {
		if e.state.Silences[i].By == who {
			e.state.Silences[i].By = erased
			n++
		}
	}
	if n > 0 {
		e.version++
	}
	return n
}

// erased stands for somebody whose data was erased.
const erased = "[erased]"
