"""Problems whose final answers are verified: by a truth, or by most of several solutions."""
