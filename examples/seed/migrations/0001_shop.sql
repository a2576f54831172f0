create table countries (code char(2) primary key, name text not null, continent text);
create table customers (
    id integer primary key,
    country char(2) not null references countries (code),
    name text not null,
    email text not null unique,
    token text
);
create table settings (name text primary key, value text not null);
