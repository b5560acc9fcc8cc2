package toolpin

// ScanAs makes b look at texts with the detectors of another book, so that
// tests with many books do not compile their rules anew.
func (b *Book) ScanAs(other *Book) { b.scan = other.scan }
