"""The audit log: every act of an admin, in a chain of hashes that shows what was changed afterwards."""
