// user‮
