// Links, devices, FIFOs and sockets.
#pragma once

#include "format/entry.h"
#include "restore/restore.h"
#include "restore/target_directory.h"

namespace holdfast {

// Makes a symbolic link or a special file, without its metadata. What is in the way is replaced unless `overwrite` is
// never; a symbolic link that is the same stays. Errors: of the file system.
Status make_special_file(TargetDirectory& directory, const Entry& entry, Overwrite overwrite);

}  // namespace holdfast
