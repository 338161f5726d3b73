//! Texts of settings files that builder and importer share: `.nspawn`,
//! networkd's host0, resolved. (Skeleton; see the owner of this module.)
