package card

// Forms is forms, for tests.
func Forms(raw []byte) ([][]byte, error) { return forms(raw) }
