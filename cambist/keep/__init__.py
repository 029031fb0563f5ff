"""What stays when machines and disks do not: snapshots, pruning, archive, backup, restore, rehearsal."""
