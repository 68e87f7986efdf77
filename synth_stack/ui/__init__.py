"""The local page over a run or a pack: rows read as they are asked for, held ones judged in place."""
