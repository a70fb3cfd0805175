// librados, loaded when it is first used: it is large, needs many libraries, and most repositories do without it.
#pragma once

#include <rados/librados.h>

#include "base/result.h"

namespace holdfast {

// The functions of librados.so.2 that are used, by their names without "rados_"; <rados/librados.h> documents them.
struct RadosLibrary {
    // Once a process; it stays loaded. Errors: unsupported when it is not installed, or is not what it should be.
    static Result<const RadosLibrary*> load();

    decltype(&::rados_create2) create2 = nullptr;
    decltype(&::rados_conf_read_file) conf_read_file = nullptr;
    decltype(&::rados_conf_parse_env) conf_parse_env = nullptr;
    decltype(&::rados_conf_get) conf_get = nullptr;
    decltype(&::rados_conf_set) conf_set = nullptr;
    decltype(&::rados_connect) connect = nullptr;
    decltype(&::rados_shutdown) shutdown = nullptr;
    decltype(&::rados_ioctx_create) ioctx_create = nullptr;
    decltype(&::rados_ioctx_destroy) ioctx_destroy = nullptr;
    decltype(&::rados_ioctx_set_namespace) ioctx_set_namespace = nullptr;
    decltype(&::rados_aio_create_completion2) aio_create_completion2 = nullptr;
    decltype(&::rados_aio_wait_for_complete) aio_wait_for_complete = nullptr;
    decltype(&::rados_aio_get_return_value) aio_get_return_value = nullptr;
    decltype(&::rados_aio_release) aio_release = nullptr;
    decltype(&::rados_aio_cancel) aio_cancel = nullptr;
    decltype(&::rados_aio_stat) aio_stat = nullptr;
    decltype(&::rados_aio_read) aio_read = nullptr;
    decltype(&::rados_aio_write_op_operate) aio_write_op_operate = nullptr;
    decltype(&::rados_create_write_op) create_write_op = nullptr;
    decltype(&::rados_release_write_op) release_write_op = nullptr;
    decltype(&::rados_write_op_create) write_op_create = nullptr;
    decltype(&::rados_write_op_assert_exists) write_op_assert_exists = nullptr;
    decltype(&::rados_write_op_write_full) write_op_write_full = nullptr;
    decltype(&::rados_write_op_remove) write_op_remove = nullptr;
    decltype(&::rados_nobjects_list_open) nobjects_list_open = nullptr;
    decltype(&::rados_nobjects_list_next2) nobjects_list_next2 = nullptr;
    decltype(&::rados_nobjects_list_close) nobjects_list_close = nullptr;
};

}  // namespace holdfast
